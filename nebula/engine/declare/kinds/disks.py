"""Disks of VMs, as documents say: those that a VM has now. A document attaches disks and lets them grow; it never detaches one,
since what a disk holds may be gone with it. CDs are put in and taken out.
"""

from __future__ import annotations

from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.values import Document
from nebula.engine.machines.machine import Machine

DISK = "DISK"


def present(machine: Machine) -> Document:
    """DISK of a VM as it is."""
    return {DISK: [dict(machine.said_of_disk(disk)) for disk in machine.disks]}


def refused(before: Document, after: Document) -> str:
    """Why these disks do not become those; "" where more or larger ones do it."""
    wanted = after.get(DISK, [])
    for place, disk in enumerate(before.get(DISK, [])):
        if place >= len(wanted):
            return f"disk {place} of a vm is not detached by a document, as what it holds could be lost"
        cd = _is_empty_drive(disk) or _is_empty_drive(wanted[place])
        if _fixed(disk, cd=cd) != _fixed(wanted[place], cd=cd):
            return f"disk {place} of a vm cannot be changed in place"
        if _mebibytes(wanted[place]) < _mebibytes(disk):
            return f"disk {place} of a vm cannot shrink"
    return ""


def change(engine: Engine, vm_id: int, machine: Machine, before: Document, after: Document, call: Call) -> Accepted:
    """Do what comes next, which is a job where the VM runs: a further look finds what is left."""
    have, wanted = before.get(DISK, []), after[DISK]
    for disk, old, new in zip(machine.disks, have, wanted, strict=False):
        if old != new and (_is_empty_drive(old) or _is_empty_drive(new)):
            return engine.vms.cd_change(str(vm_id), str(new.get("IMAGE", "")), call, str(disk.disk_id))
        if old != new:
            return engine.vms.disk_resize(str(vm_id), str(disk.disk_id), _mebibytes(new), call)
    return engine.vms.disk_attach(str(vm_id), wanted[len(have)], call)


def _fixed(disk: Document, *, cd: bool) -> Document:
    """What never changes of it; `cd`: it is a drive whose CD comes or goes."""
    changes = {"SIZE", "IMAGE", "TYPE"} if cd else {"SIZE"}
    return {key: value for key, value in disk.items() if key not in changes}


def _is_empty_drive(disk: Document) -> bool:
    return str(disk.get("TYPE", "")).lower() == "cdrom" and not disk.get("IMAGE") and not disk.get("SIZE")


def _mebibytes(disk: Document) -> int:
    """What is said of its size; 0: nothing."""
    said: Any = disk.get("SIZE") or 0
    return int(said)

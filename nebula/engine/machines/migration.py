"""How live migrations travel: by which tunnel and how fast at most (the cluster's), in what manner (the VM's); who cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nebula.drivers.base import TUNNELS, Tunnel
from nebula.engine.machines.disks import OWN_CACHE, Disk
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.machine import Machine
from nebula.engine.store.rows import ClusterRow
from nebula.errors import UsageError

TUNNEL = "migration_tunnel"
BANDWIDTH = "migration_bandwidth"
_CRASHES = (7, 0), (8, 2)
"""From the first of these versions of QEMU on, and before the second."""
MOST_MIB = 1 << 20
"""MiB/s; libvirt takes no more than a 64-bit number of bytes, and no network carries this."""


class Travel(msgspec.Struct, frozen=True, kw_only=True):
    """`bandwidth_mib`: MiB/s for one migration, 0 unlimited."""

    tunnel: Tunnel = "ssh"
    bandwidth_mib: int = 0


def stays(machine: Machine, shared: Callable[[int], bool]) -> str:
    """Why no live migration takes a VM anywhere; empty: there is a way. `shared`: whether all hosts see that datastore."""
    if machine.snapshots:
        return "its host's libvirt keeps its snapshots: " + ", ".join(one.name for one in machine.snapshots)
    if machine.template.get("PCI"):
        return "devices of its host stay there"
    return next((why for disk in machine.disks if (why := _disk_stays(disk, shared=shared(disk.datastore_id)))), "")


def _disk_stays(disk: Disk, *, shared: bool) -> str:
    if shared and not disk.readonly and disk.cache not in OWN_CACHE:
        return f"disk {disk.disk_id} has CACHE {disk.cache} on shared storage: the other host might read what is old"
    if not shared and disk.snapshots:
        return f"disk {disk.disk_id} has snapshots on storage of its host: libvirt at the other host may not read its layers"
    return ""


def threaded(machine: Machine, shared: Callable[[int], bool]) -> Disk | None:
    """The first disk with an I/O thread that a live migration copies (see copies_crash)."""
    if not (machine.template.get("FEATURES") or {}).get("IOTHREADS"):
        return None
    return next((disk for disk in machine.disks if disk.bus == "virtio" and not shared(disk.datastore_id)), None)


def copies_crash(version: str) -> bool:
    """Whether a QEMU of that version dies when a disk with an I/O thread is copied to it by a live migration."""
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return len(parts) == 2 and _CRASHES[0] <= parts < _CRASHES[1]


def manner(template: Mapping[str, Any]) -> tuple[tuple[int, int], bool]:
    """What a VM's template says of its own migrations: (by how many percent it is slowed down at first, and by how many more
    each time; 0: not said), and whether memory is compressed.
    """
    features = one(template, "FEATURES")
    first, _, more = features.word("MIGRATE_AUTO_CONVERGE").partition(",")
    return (int(first or 0), int(more or 0)), features.flag("MIGRATE_COMPRESSED")


def travel(row: ClusterRow) -> Travel:
    """What was chosen for a cluster."""
    return Travel(tunnel=row.body.get(TUNNEL, "ssh"), bandwidth_mib=int(row.body.get(BANDWIDTH, 0)))


def chosen(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the changes that are such settings, as they are kept; UsageError for one that means nothing."""
    settings: dict[str, Any] = {}
    if TUNNEL in changes:
        settings[TUNNEL] = _tunnel(changes[TUNNEL])
    if BANDWIDTH in changes:
        settings[BANDWIDTH] = _bandwidth(changes[BANDWIDTH])
    return settings


def _tunnel(value: Any) -> str:
    if value not in TUNNELS:
        raise UsageError(f"{str(value)[:40]!r} is no way for migrations", hint=f"one of: {', '.join(TUNNELS)}")
    return str(value)


def _bandwidth(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_MIB:
        raise UsageError(
            f"{str(value)[:40]!r} is no bandwidth for migrations", cause=f"whole MiB/s up to {MOST_MIB}; 0 is unlimited"
        )
    return value

"""Layers of a domain's disk: which file the guest writes to, another one for it, and merging what lies under it."""

from __future__ import annotations

import contextlib
import time
from posixpath import normpath
from typing import Any
from xml.etree import ElementTree as ET

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import Progress
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Session
from nebula.drivers.hypervisor.libvirt.ownership import source_of
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write
from nebula.errors import ConflictError, InterruptedByUser, TimedOutError

_POLL = 0.5
"""Seconds between looks at a merge."""


def source(session: Session, uuid: str, target: str) -> str:
    """See Hypervisor.disk_source."""
    domain = domains.find(session, uuid)
    found = None if domain is None else _disk(domain, target)
    return "" if found is None else _file(found)


def switch(session: Session, uuid: str, target: str, path: str, host: str) -> None:
    """See Hypervisor.switch_disk; libvirt keeps no record of it."""
    domain = domains.require(session, uuid, host)
    if not domain.isActive():
        _redefine(session, domain, target, path, host)
        return
    live = parse(domain.XMLDesc(0), "a domain's definition")
    found = _named(live, target)
    if found is None:
        raise ConflictError(f"domain {domain.name()} on host {host} has no disk {target}")
    if _file(found) == path:
        return
    lib = session.lib
    flags = (
        lib.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | lib.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        | lib.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
        | lib.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    )
    xml = write(_change(live, target, source_of(session, path)))
    if live.find("devices/channel/target[@name='org.qemu.guest_agent.0'][@state='connected']") is not None:
        with contextlib.suppress(lib.libvirtError):  # an agent that cannot: the disk is as after a power cut, as without one
            domain.snapshotCreateXML(xml, flags | lib.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE)
            return
        if source(session, uuid, target) == path:
            return
    domain.snapshotCreateXML(xml, flags)


def _redefine(session: Session, domain: Any, target: str, path: str, host: str) -> None:
    definition = parse(domain.XMLDesc(session.lib.VIR_DOMAIN_XML_INACTIVE | session.lib.VIR_DOMAIN_XML_SECURE), "a definition")
    disk = _named(definition, target)
    file = None if disk is None else disk.find("source")
    if disk is None or file is None:
        raise ConflictError(f"domain {domain.name()} on host {host} has no disk {target}")
    if file.get("file") == path:
        return
    file.set("file", path)
    for below in disk.findall("backingStore"):
        disk.remove(below)
    session.conn.defineXML(write(definition))


def _change(live: ET.Element, target: str, file: ET.Element) -> ET.Element:
    """Every disk is named: libvirt would take those that are not along."""
    disks = node("disks")
    for disk in live.iterfind("devices/disk"):
        name = _target(disk)
        if name == target:
            disks.append(node("disk", node("driver", type_="qcow2"), file, name=name, snapshot="external"))
        else:
            disks.append(node("disk", name=name, snapshot="no"))
    return node("domainsnapshot", disks)


class Pull:
    """What lies between a disk's own layer and `base` comes into its own one. libvirt's block job goes on without us."""

    def __init__(self, looks: Lanes, uuid: str, target: str, host: str) -> None:
        self._looks, self._uuid, self._target, self._host = looks, uuid, target, host

    def run(self, gone: str, base: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.pull_disk."""
        end = time.monotonic() + timeouts.MIGRATION
        while not self._looks.call("merging a disk's layers", lambda session: self._step(session, gone, base, progress)):
            if cancel is not None and cancel.is_set():
                if not cancel.detaching():
                    self._looks.call("ending a merge", self._abort)
                raise InterruptedByUser(cancel.reason or "cancelled")
            if time.monotonic() > end:
                self._looks.call("ending a merge", self._abort)
                raise TimedOutError(f"merging disk {self._target} did not end within {timeouts.MIGRATION:.0f} s")
            time.sleep(_POLL)

    def _step(self, session: Session, gone: str, base: str, progress: Progress | None) -> bool:
        """Whether it is done; begins it where nothing is under way."""
        domain = domains.require(session, self._uuid, self._host)
        if not domain.isActive():
            raise ConflictError(f"domain {domain.name()} on host {self._host} is off: its layers are not merged by QEMU")
        job = domain.blockJobInfo(self._target)
        if job:
            if progress is not None and job.get("end"):
                progress(int(job["cur"]), int(job["end"]))
            return False
        disk = _disk(domain, self._target)
        chain = {} if disk is None else chain_of(disk)
        if normpath(gone) not in chain:
            return True
        if base:
            if normpath(base) not in chain:
                raise ConflictError(f"disk {self._target} of domain {domain.name()} does not lie on {base}")
            domain.blockRebase(
                self._target, f"{self._target}[{chain[normpath(base)]}]", 0, session.lib.VIR_DOMAIN_BLOCK_REBASE_RELATIVE
            )
        else:
            domain.blockPull(self._target, 0)
        return False

    def _abort(self, session: Session) -> None:
        domain = domains.require(session, self._uuid, self._host)
        with contextlib.suppress(session.lib.libvirtError):  # it ended meanwhile
            domain.blockJobAbort(self._target)


def _disk(domain: Any, target: str) -> ET.Element | None:
    return _named(parse(domain.XMLDesc(0), "a domain's definition"), target)


def _named(live: ET.Element, target: str) -> ET.Element | None:
    return next((disk for disk in live.iterfind("devices/disk") if _target(disk) == target), None)


def _target(disk: ET.Element) -> str:
    found = disk.find("target")
    return "" if found is None else found.get("dev", "")


def _file(disk: ET.Element) -> str:
    found = disk.find("source")
    return "" if found is None else found.get("file", "")


def chain_of(disk: ET.Element) -> dict[str, str]:
    """The files below a disk's own -> libvirt's number of each. A file names the one below it relative to itself."""
    found: dict[str, str] = {}
    layer = disk.find("backingStore")
    while layer is not None and _file(layer):
        found[normpath(_file(layer))] = layer.get("index", "")
        layer = layer.find("backingStore")
    return found

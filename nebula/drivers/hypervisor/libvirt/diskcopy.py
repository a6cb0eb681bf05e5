"""A running guest's disk copied to another place, where the guest goes on: libvirt's block copy and its pivot.

The block job goes on without us. The running definition says that there is one (`<mirror>`), to where, and whether both places
hold the same; after the pivot it says the new place.
"""

from __future__ import annotations

import time
from typing import Any
from xml.etree import ElementTree as ET

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import DiskCopyRequest, Progress
from nebula.drivers.hypervisor.libvirt import backups, domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Session
from nebula.drivers.hypervisor.libvirt.ownership import source_of
from nebula.drivers.hypervisor.libvirt.xml.disk import kind_of, same_source
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write
from nebula.errors import ConflictError, InterruptedByUser, TimedOutError

_POLL = 0.5
"""Seconds between looks at a copy."""


def uses(session: Session, uuid: str, target: str, path: str) -> bool:
    """See Hypervisor.uses_disk."""
    domain = domains.find(session, uuid)
    disk = None if domain is None else _named(parse(domain.XMLDesc(0), "a domain's definition"), target)
    return disk is not None and same_source(disk.find("source"), path)


class Copy:
    """A copy begun or found, and watched until both places hold the same."""

    def __init__(self, looks: Lanes, request: DiskCopyRequest, host: str) -> None:
        self._looks, self._request, self._host = looks, request, host
        self._begun = False

    def run(self, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.copy_disk."""
        end = time.monotonic() + timeouts.BACKUP
        while not self._looks.call("copying a disk", lambda session: self._step(session, progress)):
            if cancel is not None and cancel.is_set():
                if not cancel.detaching():
                    self._end()
                raise InterruptedByUser(cancel.reason or "cancelled")
            if time.monotonic() > end:
                self._end()
                raise TimedOutError(f"copying disk {self._request.target} did not end within {timeouts.BACKUP:.0f} s")
            time.sleep(_POLL)

    def _end(self) -> None:
        self._looks.call("ending a copy", lambda session: drop(session, self._request.uuid, self._request.target))

    def _step(self, session: Session, progress: Progress | None) -> bool:
        """Whether both hold the same; begins it where nothing is under way."""
        domain = domains.require(session, self._request.uuid, self._host)
        if not domain.isActive():
            raise ConflictError(
                f"domain {domain.name()} on host {self._host} is off: QEMU copies nothing of it",
                cause="the guest was ended" if self._begun else "",
            )
        disk = _require(domain, self._request, self._host)
        if same_source(disk.find("source"), self._request.path):
            return True
        mirror = disk.find("mirror")
        if mirror is None:
            if self._begun:
                raise ConflictError(
                    f"disk {self._request.target} of domain {domain.name()} on host {self._host} was not copied whole",
                    cause="QEMU ended the copy: its place has no room, or cannot be written",
                    hint=f"ssh {self._host} tail /var/log/libvirt/qemu/{domain.name()}.log",
                )
            self._begin(session, domain)
        elif not same_source(mirror.find("source"), self._request.path):
            raise ConflictError(f"disk {self._request.target} of domain {domain.name()} is being copied to another place")
        self._begun = True
        job = domain.blockJobInfo(self._request.target) if progress is not None else None
        if progress is not None and job and job.get("end"):
            progress(int(job["cur"]), int(job["end"]))
        return mirror is not None and mirror.get("ready") == "yes"

    def _begin(self, session: Session, domain: Any) -> None:
        """What QEMU remembers for backups does not come along: the next one is a full one."""
        lib, asked = session.lib, self._request
        backups.forget_all(session, domain)
        flags = lib.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | lib.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        driver = node("driver", name="qemu", type_=asked.format)
        place = node("disk", driver, source_of(session, asked.path), type_=kind_of(asked.path))
        limits = {lib.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: asked.bandwidth_mib << 20} if asked.bandwidth_mib else {}
        domain.blockCopy(asked.target, write(place), limits, flags)


def take(session: Session, request: DiskCopyRequest, host: str) -> None:
    """See Hypervisor.take_copy."""
    domain = domains.require(session, request.uuid, host)
    disk = _require(domain, request, host)
    if not same_source(disk.find("source"), request.path):
        mirror = disk.find("mirror") if domain.isActive() else None
        if mirror is None or not same_source(mirror.find("source"), request.path) or mirror.get("ready") != "yes":
            raise ConflictError(
                f"disk {request.target} of domain {domain.name()} on host {host} has no whole copy",
                cause="the guest was ended, or QEMU could not write to the copy any more",
            )
        domain.blockJobAbort(request.target, session.lib.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    _define(session, domain, request, host)


def drop(session: Session, uuid: str, target: str) -> None:
    """See Hypervisor.drop_copy."""
    domain = domains.find(session, uuid)
    if domain is None or not _copies(domain, target):
        return
    try:
        domain.blockJobAbort(target)
    except session.lib.libvirtError:
        if _copies(domain, target):
            raise


def _copies(domain: Any, target: str) -> bool:
    disk = _named(parse(domain.XMLDesc(0), "a domain's definition"), target) if domain.isActive() else None
    return disk is not None and disk.find("mirror") is not None


def name(session: Session, request: DiskCopyRequest, host: str) -> None:
    """See Hypervisor.name_disk."""
    domain = domains.find(session, request.uuid)
    if domain is None:
        return
    if domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} runs: its disk is where it is")
    _define(session, domain, request, host)


def _define(session: Session, domain: Any, request: DiskCopyRequest, host: str) -> None:
    """Libvirt writes its definition anew after a pivot; where it did not, we do."""
    lib = session.lib
    definition = parse(domain.XMLDesc(lib.VIR_DOMAIN_XML_INACTIVE | lib.VIR_DOMAIN_XML_SECURE), "a domain's definition")
    disk = _named(definition, request.target)
    if disk is None:
        raise _missing(domain, request, host)
    driver, source = disk.find("driver"), disk.find("source")
    if same_source(source, request.path) and driver is not None and driver.get("type") == request.format:
        return
    for child in [child for child in disk if child.tag in {"source", "backingStore", "auth"}]:
        disk.remove(child)
    disk.set("type", kind_of(request.path))
    disk.insert(1, source_of(session, request.path))
    if driver is not None:
        driver.set("type", request.format)
    session.conn.defineXML(write(definition))


def _require(domain: Any, request: DiskCopyRequest, host: str) -> ET.Element:
    disk = _named(parse(domain.XMLDesc(0), "a domain's definition"), request.target)
    if disk is None:
        raise _missing(domain, request, host)
    return disk


def _missing(domain: Any, request: DiskCopyRequest, host: str) -> ConflictError:
    return ConflictError(f"domain {domain.name()} on host {host} has no disk {request.target}")


def _named(root: ET.Element, target: str) -> ET.Element | None:
    names = ((disk, disk.find("target")) for disk in root.iterfind("devices/disk"))
    return next((disk for disk, found in names if found is not None and found.get("dev") == target), None)

"""Snapshots of a whole domain: its memory and disks, kept by QEMU within the domain's qcow2 disks."""

from __future__ import annotations

import time
from typing import Any

from nebula import timeouts
from nebula.drivers.hypervisor.libvirt import backups, domains
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import node, write
from nebula.errors import ConflictError, NotFoundError, TimedOutError

_POLL = 0.5


def snapshot(session: Session, uuid: str, name: str, host: str) -> None:
    """See Hypervisor.snapshot. One that another engine began is waited for."""
    domain = domains.require(session, uuid, host)
    _wait(session, domain)
    if name in domain.snapshotListNames():
        return
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: it has no memory that could be kept")
    domain.snapshotCreateXML(write(node("domainsnapshot", node("name", text=name))), 0)


def revert(session: Session, uuid: str, name: str, host: str) -> None:
    """See Hypervisor.revert."""
    domain = domains.require(session, uuid, host)
    _wait(session, domain)
    if name not in domain.snapshotListNames():
        raise NotFoundError(f"domain {domain.name()} on host {host} has no snapshot {name}")
    if domain.isActive():
        backups.forget_all(session, domain)
    domain.revertToSnapshot(domain.snapshotLookupByName(name), session.lib.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)


def delete(session: Session, uuid: str, name: str) -> None:
    """See Hypervisor.delete_snapshot."""
    domain = domains.find(session, uuid)
    if domain is None:
        return
    _wait(session, domain)
    if name in domain.snapshotListNames():
        domain.snapshotLookupByName(name).delete(0)


def _wait(session: Session, domain: Any) -> None:
    """Until libvirt does nothing else with the domain: it takes one such job at a time."""
    end = time.monotonic() + timeouts.MEMORY / 2
    while domain.isActive() and domain.jobInfo()[0] in {
        session.lib.VIR_DOMAIN_JOB_BOUNDED,
        session.lib.VIR_DOMAIN_JOB_UNBOUNDED,
    }:
        if time.monotonic() > end:
            raise TimedOutError(f"domain {domain.name()} is busy with something else for long")
        time.sleep(_POLL)

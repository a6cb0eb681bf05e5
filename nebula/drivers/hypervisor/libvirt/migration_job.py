"""libvirt's job of an outgoing migration: whether there is one, how far it is, its end on demand."""

from __future__ import annotations

from typing import Any

from nebula.drivers.base import MigrationProgress
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.domains import find


def progress_of(session: Session, uuid: str) -> MigrationProgress | None:
    """Memory and disks together, in bytes; None if no migration leaves this host."""
    domain = find(session, uuid)
    job = None if domain is None else _job(session, domain)
    if job is None:
        return None
    return MigrationProgress(
        total=int(job.get("data_total", 0)),
        done=int(job.get("data_processed", 0)),
        remaining=int(job.get("data_remaining", 0)),
        downtime_ms=int(job.get("downtime", 0)),
    )


def abort(session: Session, uuid: str) -> None:
    """Ask libvirt to end it; it undoes what was done at the target. None under way: nothing."""
    domain = find(session, uuid)
    if domain is None or _job(session, domain) is None:
        return
    try:
        domain.abortJob()
    except session.lib.libvirtError:
        if _job(session, domain) is not None:
            raise


def _job(session: Session, domain: Any) -> dict[str, Any] | None:
    lib = session.lib
    try:
        job: dict[str, Any] = domain.jobStats()
    except lib.libvirtError as error:
        if error.get_error_code() in (lib.VIR_ERR_OPERATION_INVALID, lib.VIR_ERR_NO_DOMAIN):
            return None
        raise
    under_way = job.get("type") in (lib.VIR_DOMAIN_JOB_BOUNDED, lib.VIR_DOMAIN_JOB_UNBOUNDED)
    return job if under_way and job.get("operation") == lib.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT else None

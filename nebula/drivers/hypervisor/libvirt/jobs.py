"""A long job that libvirt does with a domain (a migration away, a save): whether one is under way, how far, its end."""

from __future__ import annotations

from typing import Any, Literal

from nebula.drivers.base import MigrationProgress
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.domains import find

Work = Literal["MIGRATION_OUT", "SAVE"]
"""libvirt's name of what it does."""


def progress_of(session: Session, uuid: str, work: Work = "MIGRATION_OUT") -> MigrationProgress | None:
    """Memory and disks together, in bytes; None if no such job is under way."""
    domain = find(session, uuid)
    job = None if domain is None else _job(session, domain, work)
    if job is None:
        return None
    return MigrationProgress(
        total=int(job.get("data_total", 0)),
        done=int(job.get("data_processed", 0)),
        remaining=int(job.get("data_remaining", 0)),
        downtime_ms=int(job.get("downtime", 0)),
    )


def abort(session: Session, uuid: str, work: Work = "MIGRATION_OUT") -> None:
    """Ask libvirt to end it; it undoes what was done. None under way: nothing."""
    domain = find(session, uuid)
    if domain is None or _job(session, domain, work) is None:
        return
    try:
        domain.abortJob()
    except session.lib.libvirtError:
        if _job(session, domain, work) is not None:
            raise


def _job(session: Session, domain: Any, work: Work) -> dict[str, Any] | None:
    lib = session.lib
    try:
        job: dict[str, Any] = domain.jobStats()
    except lib.libvirtError as error:
        if error.get_error_code() in (lib.VIR_ERR_OPERATION_INVALID, lib.VIR_ERR_NO_DOMAIN):
            return None
        raise
    under_way = job.get("type") in (lib.VIR_DOMAIN_JOB_BOUNDED, lib.VIR_DOMAIN_JOB_UNBOUNDED)
    wanted = getattr(lib, f"VIR_DOMAIN_JOB_OPERATION_{work}")
    return job if under_way and job.get("operation") == wanted else None

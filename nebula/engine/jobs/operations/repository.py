"""What jobs of backups share: the repository, the host that asks it, and locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock
from nebula.engine.store.rows import DatastoreRow, HostRow

if TYPE_CHECKING:
    from nebula.drivers.base import Repository
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.settings import Settings


def repository(context: JobContext, datastore_id: int) -> Repository:
    """The driver of a datastore of backups."""
    read = context.services.store.read()
    row = read.get(DatastoreRow, datastore_id)
    at = str(row.body.get("settings", {}).get("host", ""))
    return context.services.pool.repository(row, read.get(HostRow, int(at)) if at else None)


def work(context: JobContext) -> str:
    """The name of the job's work with a repository, whatever its step: its undo finds it."""
    return f"job-{context.job.id}"


def tag(context: JobContext) -> str:
    """What names the job's backup among all engines'."""
    return f"job-{context.job.args['mark']}"


def use_lock(datastore_id: int, settings: Settings) -> Lock:
    """One of those who add to a repository or read it."""
    return Lock(f"datastore:{datastore_id}:repository", settings.backups)


def whole_lock(datastore_id: int, settings: Settings) -> tuple[Lock, ...]:
    """Nobody else uses the repository: restic deletes only then."""
    return (Lock(f"datastore:{datastore_id}:repository", 1),) * settings.backups

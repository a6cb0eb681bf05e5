"""backup.verify: a backup restored to a place of its own, and compared. backup.forget: what is deleted, or not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.backups.content import keep_of
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.repository import repository, use_lock, whole_lock, work
from nebula.engine.jobs.operations.restore import Fetched
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import BackupRow, DatastoreRow, VmRow
from nebula.errors import DamagedError, NotFoundError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _scratch(context: JobContext) -> Fetched:
    args = context.job.args
    row = context.services.store.read().get(DatastoreRow, int(args["scratch"]))
    return Fetched(context, context.job.target_id, context.services.pool.datastore(row), int(args["host"]))


def _compare(context: JobContext) -> None:
    _scratch(context).fetch()


def _discard(context: JobContext) -> None:
    _scratch(context).discard()


class Verify:
    """The row says when it was whole, or that it is damaged."""

    kind = "backup.verify"
    steps = (Step("restore and compare", _compare, _discard), Step("clean", _discard, None, final=True))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The repository; copies per host."""
        copies = Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)
        return Lock(f"backup:{job.target_id}", 1), use_lock(job.args["datastore"], settings), copies

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Whole."""
        row = transaction.get(BackupRow, job.target_id)
        transaction.swap(row, state="ready", verified=transaction.now)
        transaction.event("backup.verified", "backup", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Damaged, or gone; of others nothing is known."""
        if job.error.get("code") not in {DamagedError.code, NotFoundError.code}:
            return
        row = transaction.first(BackupRow, '"id"=?', (job.target_id,))
        if row is not None:
            cause = str(job.error.get("cause", "")) or message
            transaction.swap(row, state="damaged", verified=transaction.now, reason=cause[:1000])
            transaction.event("backup.damaged", "backup", row.id, actor=job.actor, name=row.name, error=cause[:500])


def _choose(context: JobContext) -> None:
    """Which: those that were named, and those of the VMs that their policy lets go."""
    read, args = context.services.store.read(), context.job.args
    datastore = read.get(DatastoreRow, context.job.target_id)
    held = repository(context, datastore.id)
    chosen = set(args["backups"])
    for uuid in args["vms"]:
        vm = read.first(VmRow, '"uuid"=? AND "state"<>6', (uuid,))
        keep = keep_of(datastore.body.get("settings", {}), machine_of(vm) if vm else None)
        due = held.due(context.handle(int(args["host"])), uuid, keep, job=work(context), cancel=context.cancel)
        rows = read.select(BackupRow, '"uuid"=? AND "datastore_id"=?', (uuid, datastore.id))
        chosen |= {row.id for row in rows if row.snapshot in due}
    context.save(chosen=sorted(chosen))


def _abandon(context: JobContext) -> None:
    held = repository(context, context.job.target_id)
    held.abandon(context.handle(int(context.job.args["host"])), work(context))


def _forget(context: JobContext) -> None:
    read = context.services.store.read()
    rows = [read.first(BackupRow, '"id"=?', (number,)) for number in context.facts["chosen"]]
    snapshots = [row.snapshot for row in rows if row is not None]
    if snapshots:
        held = repository(context, context.job.target_id)
        host = context.handle(int(context.job.args["host"]))
        held.forget(host, snapshots, job=work(context), cancel=context.cancel)


def _prune(context: JobContext) -> None:
    """Where a repository is damaged, what nobody needs stays; the backups are gone all the same."""
    if context.facts["chosen"]:
        held = repository(context, context.job.target_id)
        held.prune(context.handle(int(context.job.args["host"])), job=work(context), cancel=context.cancel)


class Forget:
    """The rows go with what they are of."""

    kind = "backup.forget"
    steps = (
        Step("choose", _choose, _abandon),
        Step("forget", _forget, _abandon, noted=True),
        Step("delete data", _prune, None, final=True),
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The whole repository."""
        return whole_lock(job.target_id, settings)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Gone."""
        for number in job.facts["chosen"]:
            row = transaction.first(BackupRow, '"id"=?', (number,))
            if row is not None:
                transaction.delete(row)
                transaction.event("backup.removed", "backup", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """They are as they were, as far as anybody knows: `verify` tells."""


VERIFY = Verify()
FORGET = Forget()

"""host.evacuate: every VM of a host migrates away; the job waits for its children and counts them.

Cancelled, it calls back the migrations under way: each ends where its VM was or where it has arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, NotYet, Step
from nebula.engine.jobs.operations.children import OPEN, call_back, children
from nebula.engine.store.rows import HostRow, JobRow, VmRow
from nebula.errors import InterruptedByUser, PartlyDoneError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.transaction import Transaction


def _file_moves(context: JobContext) -> None:
    from nebula.engine.evacuation import file_moves

    left = file_moves(context.services, context.job, context.verbs)
    context.save(left=left)
    for vm, why in left.items():
        context.log(f"VM {vm} stays: {why}", "warning")


def _call_back(context: JobContext) -> None:
    call_back(context, "evacuation")


def _wait(context: JobContext) -> None:
    read = context.services.store.read()
    filed = children(read, context.job)
    if any(child.state in OPEN for child in filed):
        raise NotYet(context.services.settings.children_look)
    bad = [child for child in filed if child.state != "done"]
    left = context.facts.get("left", {})
    tried = {child.target_id for child in bad}
    here = read.select(VmRow, '"host_id"=? AND "state"<>6', (context.job.target_id,))
    if any(vm.id not in tried and vm.name not in left for vm in here):
        _file_moves(context)  # one that was busy when the others were sent away, or came meanwhile
        raise NotYet(context.services.settings.children_look)
    if bad or left:
        words = [f"VM {child.target_id}: {child.error.get('message', child.state)}" for child in bad]
        words += [f"VM {vm}: {why}" for vm, why in left.items()]
        raise PartlyDoneError(
            f"{len(filed) - len(bad)} VMs migrated away, {len(bad) + len(left)} are still there",
            cause="; ".join(words)[:1500],
            hint=f"nebula host evacuate {context.job.target_id}",
        )


class Evacuate:
    """See the module."""

    kind = "host.evacuate"
    steps = (Step("file migrations", _file_moves, _call_back), Step("wait for migrations", _wait))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One evacuation a host."""
        return (Lock(f"host:{job.target_id}:evacuate", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The host is empty."""
        row = transaction.get(HostRow, job.target_id)
        transaction.event("host.evacuated", "host", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The host stays disabled with what is left on it; a cancelled job says how far it came."""
        if job.error.get("code") == InterruptedByUser.code:
            transaction.swap(job, error={**job.error, **_how_far(transaction, job)})
        transaction.event("host.evacuation-failed", "host", job.target_id, actor=job.actor, message=message)


def _how_far(tx: Transaction, job: JobRow) -> dict[str, str]:
    moved = sum(child.state == "done" for child in children(tx, job))
    here = [vm.name for vm in tx.select(VmRow, '"host_id"=? AND "state"<>6 ORDER BY "id"', (job.target_id,))]
    names = f": {', '.join(here[:10])}" if here else ""
    return {
        "cause": f"{moved} VMs migrated away, {len(here)} are still there{names}; the host stays disabled",
        "hint": f"nebula host evacuate {job.target_id} goes on, nebula host enable {job.target_id} takes it into use again",
    }


EVACUATE = Evacuate()

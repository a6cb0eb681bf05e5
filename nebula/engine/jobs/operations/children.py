"""Jobs that file other jobs and wait for them: an evacuation, a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.api.values import Call
from nebula.engine.jobs.base import NotYet
from nebula.engine.store.rows import JobRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.store.transaction import Queries, Transaction

OPEN = frozenset({"ready", "running", "waiting"})


def children(queries: Queries, job: JobRow) -> list[JobRow]:
    """The jobs that it filed, oldest first."""
    return queries.select(JobRow, '"parent_id"=? ORDER BY "id"', (job.id,))


def call_back(context: JobContext, what: str) -> None:
    """Cancel the children under way and wait for their end. Each is asked once: asked twice, it would give up its own undo.

    `what` names the parent in their reason.
    """
    store, job = context.services.store, context.job
    under_way = [child.id for child in children(store.read(), job) if child.state in OPEN]
    asked = context.facts.get("called_back", [])
    new = [number for number in under_way if number not in asked]
    reason = f"{what}, job {job.id}: {job.error.get('message', '')}"

    def ask(tx: Transaction) -> None:
        for number in new:
            child = tx.get(JobRow, number)
            if child.state in OPEN:
                context.verbs.cancel_in(tx, child, Call(actor=job.actor), reason)
        tx.swap(job, facts={**context.facts, "called_back": [*asked, *new]})

    if new:
        store.write(ask)
        context.facts = dict(job.facts)
        context.log(f"migrations called back: jobs {', '.join(map(str, new))}", "warning")
    if under_way:
        raise NotYet(context.services.settings.children_look)

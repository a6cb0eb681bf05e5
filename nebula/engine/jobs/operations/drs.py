"""drs.apply: the moves of a plan, wave by wave, each by the same verb that a person would type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.api.values import Call
from nebula.engine.drs.plans import chosen
from nebula.engine.jobs.base import Lock, NotYet, Step
from nebula.engine.jobs.operations.children import OPEN, call_back, children
from nebula.engine.store.rows import JobRow, PlanRow, VmRow
from nebula.errors import NebulaError, PartlyDoneError

if TYPE_CHECKING:
    from nebula.engine.drs.values import Move
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.transaction import Transaction


def _carry_out(context: JobContext) -> None:
    """File what may be under way now; again until every move was filed and has ended."""
    plan = context.services.store.read().get(PlanRow, context.job.target_id)
    moves = chosen(plan)
    filed: dict[str, int] = dict(context.facts.get("filed", {}))
    refused: dict[str, str] = dict(context.facts.get("refused", {}))
    for number, move in _next(moves, filed, refused, _states(context), int(context.job.args["at_once"])):
        _file(context, number, move, filed, refused)
    if any(state in OPEN for state in _states(context).values()) or len(filed) + len(refused) < len(moves):
        raise NotYet(context.services.settings.children_look)
    bad = sum(state != "done" for state in _states(context).values())
    if bad or refused:
        raise PartlyDoneError(
            f"{len(filed) - bad} of {len(moves)} moves were made",
            cause="; ".join(refused.values())[:1500] or "see the log of each migration",
            hint=f"nebula drs show {plan.id}",
        )


def _states(context: JobContext) -> dict[int, str]:
    """Job id -> state of every migration that was filed."""
    return {row.id: row.state for row in children(context.services.store.read(), context.job)}


def _call_back(context: JobContext) -> None:
    call_back(context, "plan")


def _next(
    moves: list[Move], filed: dict[str, int], refused: dict[str, str], states: dict[int, str], at_once: int
) -> list[tuple[str, Move]]:
    """Moves of the first wave that is not over, as many as may be under way."""
    settled = filed.keys() | refused.keys()
    waiting = [(str(number), move) for number, move in enumerate(moves) if str(number) not in settled]
    if not waiting:
        return []
    wave = waiting[0][1].wave
    under_way = [moves[int(number)] for number, job in filed.items() if states.get(job) in OPEN]
    if any(move.wave < wave for move in under_way):
        return []
    return [item for item in waiting if item[1].wave == wave][: max(0, at_once - len(under_way))]


def _file(context: JobContext, number: str, move: Move, filed: dict[str, int], refused: dict[str, str]) -> None:
    """One migration, and in the same breath the note that it was filed."""

    def work(tx: Transaction) -> int:
        vm = tx.get(VmRow, move.vm_id)
        call = Call(actor=context.job.actor)
        reason = f"DRS: {move.reason}"
        accepted = context.verbs.migrate_in(tx, vm, str(move.target_id), call, live=True, parent=context.job.id, reason=reason)
        tx.swap(context.job, facts={**context.facts, "filed": {**filed, number: accepted.job_id}})
        return accepted.job_id

    try:
        filed[number] = context.services.store.write(work)
        context.facts["filed"] = dict(filed)
    except NebulaError as error:
        refused[number] = f"VM {move.vm}: {error}"
        context.log(refused[number], "warning")
        context.save(refused=dict(refused))


class Apply:
    """See the module."""

    kind = "drs.apply"
    steps = (Step("carry out", _carry_out, _call_back),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One plan a cluster."""
        return (Lock(f"cluster:{job.args['cluster']}:drs", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """All moves were made."""
        _ended(transaction, job, "done", "")

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Some were, perhaps: the plan says which."""
        made = any(child.state == "done" for child in children(transaction, job))
        _ended(transaction, job, "partly" if made else "failed", message)


def _ended(tx: Transaction, job: JobRow, state: str, message: str) -> None:
    plan = tx.get(PlanRow, job.target_id)
    tx.swap(plan, state=state, ended=tx.now, body={**plan.body, "message": message} if message else plan.body)
    tx.event("drs.applied", "cluster", plan.cluster_id, actor=job.actor, plan=plan.id, state=state, message=message)


APPLY = Apply()

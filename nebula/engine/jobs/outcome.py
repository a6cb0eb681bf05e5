"""The transactions at a job's turning points: started, next phase, waiting, turned to undo, ended."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from nebula.engine.jobs.base import Operation
from nebula.engine.lifecycle.moves import move, place_of
from nebula.engine.lifecycle.states import LcmState, Place, VmState
from nebula.engine.lifecycle.table import Phase, Transition, find
from nebula.engine.services import Services
from nebula.engine.store.rows import JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import InterruptedByUser, NebulaError, StaleError


def transition_of(job: JobRow) -> Transition | None:
    """The table's row that filed the job; None for jobs that are not about a VM."""
    if job.target_kind != "vm":
        return None
    state, lcm = job.args["source"]
    return find(job.args["verb"], Place(VmState(state), LcmState(lcm)))


def phase_named(job: JobRow, name: str) -> Phase | None:
    """The phase of that name in the job's transition."""
    row = transition_of(job)
    return next((phase for phase in row.phases if phase.name == name), None) if row else None


def started(tx: Transaction, job: JobRow) -> None:
    """The job runs."""
    tx.swap(job, state="running", started=job.started or tx.now, attempt=job.attempt + 1, not_before=0.0)
    tx.event("job.running", "job", job.id, kind=job.kind, target=[job.target_kind, job.target_id])


def next_phase(tx: Transaction, job: JobRow, step: int, phase: Phase, seen: VmRow | None = None) -> None:
    """The VM goes to the phase's transient place; the job will resume here. `seen`: the VM as the job read it last."""
    tx.swap(job, step=step, facts=job.facts)
    if seen is not None and place_of(seen) != phase.transient:
        with suppress(StaleError):  # somebody wrote to it since
            move(tx, seen, phase.transient, actor=job.actor)
            return
    vm = tx.get(VmRow, job.target_id)
    if place_of(vm) != phase.transient:
        move(tx, vm, phase.transient, actor=job.actor)


def noted(tx: Transaction, job: JobRow, step: int) -> None:
    """The job will resume at this step."""
    tx.swap(job, step=step, facts=job.facts)


def turned_forward(tx: Transaction, job: JobRow, step: int) -> None:
    """Forward again: the undo found that there is nothing to undo."""
    tx.swap(job, direction="forward", step=step, error={})
    tx.event("job.onward", "job", job.id, kind=job.kind)


def parked(tx: Transaction, job: JobRow, *, state: str, step: int, not_before: float, error: dict[str, Any]) -> None:
    """The job stops for now: `ready` at the next start of an engine, or `waiting` for a host."""
    tx.swap(job, state=state, step=step, not_before=not_before, error=error, facts=job.facts)
    tx.event("job.waiting", "job", job.id, kind=job.kind, not_before=not_before, error=error)


def turned(tx: Transaction, job: JobRow, step: int, error: dict[str, Any]) -> None:
    """From now on backwards; whoever cancels from now on ends the undo."""
    tx.swap(job, direction="undo", step=step, error=error, attempt=0, cancel=0)
    tx.event("job.undo", "job", job.id, kind=job.kind, error=error)


def dropped(tx: Transaction, job: JobRow, operation: Operation, services: Services, error: dict[str, Any]) -> None:
    """Cancelled before it did anything."""
    tx.swap(job, error=error)
    ended_badly(tx, job, operation, services, clean=True)


def ended_well(tx: Transaction, job: JobRow, operation: Operation, services: Services) -> None:
    """The success of the table's row, the operation's own writes, the event."""
    operation.finish(tx, job, services)
    row = transition_of(job)
    if row is not None:
        vm = tx.known(VmRow, job.target_id)
        place = row.success or place_of(vm)
        move(tx, vm, place, reason=str(job.facts.get("reason", "")), actor=job.actor, job_id=0, target_host=-1, alarm="")
    tx.swap(job, state="done", ended=tx.now, step=len(operation.steps), facts=job.facts, error={}, done=job.total)
    tx.event("job.done", "job", job.id, kind=job.kind, target=[job.target_kind, job.target_id])


def ended_badly(tx: Transaction, job: JobRow, operation: Operation, services: Services, *, clean: bool) -> None:
    """The failure of the phase in which it failed (or its stuck place), the operation's own writes, the event."""
    message = str(job.error.get("message", ""))
    operation.failed(tx, job, services, message, clean=clean)
    row = transition_of(job)
    if row is not None:
        vm = tx.get(VmRow, job.target_id)
        phase = next((phase for phase in row.phases if phase.transient == place_of(vm)), None)
        place = place_of(vm) if phase is None else (phase.failure if clean else phase.stuck)
        move(tx, vm, place, reason=_reason(job), actor=job.actor, job_id=0, target_host=-1)
    state = "cancelled" if job.error.get("code") == InterruptedByUser.code else "failed"
    tx.swap(job, state=state, ended=tx.now, facts=job.facts)
    tx.event(f"job.{state}", "job", job.id, kind=job.kind, target=[job.target_kind, job.target_id], error=job.error)


def _reason(job: JobRow) -> str:
    if job.error.get("code") == InterruptedByUser.code:
        return f"{job.kind.partition('.')[2]}: {job.error.get('message', '')}"[:500]
    cause = str(job.error.get("cause", ""))
    text = f"{job.kind.partition('.')[2]} failed: {job.error.get('message', '')}"
    return f"{text}: {cause}"[:500] if cause else text[:500]


def described(error: Exception, step: str) -> dict[str, Any]:
    """An error as a job keeps it."""
    if isinstance(error, NebulaError):
        return {**error.as_dict(), "step": step}
    text = f"{type(error).__name__}: {error}"
    return {
        "code": "failed", "message": f"step {step} met a fault in nebula itself", "cause": text, "step": step,
        "hint": "nebula support bundle.tar.gz makes a report of it",
    }  # fmt: skip

"""One job: forward through its steps, or back through their undos, a turn of some thread's between two transactions."""

from __future__ import annotations

import enum
import traceback
from collections.abc import Callable, Generator

from nebula.cancel import CancelToken
from nebula.engine.jobs import outcome
from nebula.engine.jobs.base import NotYet, Onward, Operation, Step
from nebula.engine.jobs.context import JobContext
from nebula.engine.jobs.registry import impatient
from nebula.engine.services import Services
from nebula.engine.store.transaction import Transaction
from nebula.errors import InterruptedByUser, NebulaError, OwnerError, UnreachableError

_SILENT = "silent_since"
"""The fact that says when a host fell silent, while it has not answered since."""

AWAITED = "awaited"
"""The fact that names the hosts, one of which a waiting job waits for; empty or missing: it may be anything."""


Turns = Generator[Callable[[Transaction], object], None, "End"]
"""A job's run: whoever drives it writes what it hands out, and goes on when that is durable, or throws in what went wrong. So a
job that waits for the disk has no thread.
"""


class End(enum.Enum):
    """How a run of a job ended."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    PARKED = "parked"
    """The engine stops; the next owner goes on."""


class Execution:
    """Runs `context.job`. `stopping` is set when the engine lets go: then the job is parked, not undone.

    `renew` gives a fresh token for the way back: the first cancellation turns a job, a second one ends its undo.
    """

    def __init__(
        self, context: JobContext, operation: Operation, stopping: CancelToken, renew: Callable[[], CancelToken]
    ) -> None:
        self._context = context
        self._renew = renew
        self._operation = operation
        self._stopping = stopping
        self._services: Services = context.services
        self._job = context.job

    def run(self) -> Turns:
        """Run until it is done, failed, waiting or parked."""
        begun = bool(self._job.started)
        yield lambda tx: outcome.started(tx, self._job)
        if self._job.direction == "undo":
            return (yield from self._backward())
        if self._job.cancel and not begun:
            return (yield from self._drop())
        return (yield from self._forward())

    def _drop(self) -> Turns:
        """Cancelled before its first step: nothing is to be undone, and no host need be asked."""
        first = next(step for step in self._operation.steps if step.of(self._job.args))
        described = outcome.described(InterruptedByUser(self._context.cancel.reason), first.name)
        yield lambda tx: outcome.dropped(tx, self._job, self._operation, self._services, described)
        return End.FAILED

    def _forward(self) -> Turns:
        phase = ""
        for index in range(self._job.step, len(self._operation.steps)):
            step = self._operation.steps[index]
            if not step.of(self._job.args):
                continue
            try:
                if not step.final:
                    self._context.cancel.raise_if_set()
                phase = yield from self._enter(step, index, phase)
                step.run(self._context)
                self._heard()
            except OwnerError:
                return End.PARKED
            except NotYet as later:
                return (yield from self._later(later, index))
            except InterruptedByUser as error:
                if self._stopping.is_set():
                    return (yield from self._park(index))
                if not step.final:
                    return (yield from self._turn(error, step, index))
                self._leave_behind(step, error)
            except UnreachableError as error:
                if step.final or not (impatient(self._job.kind, step.name) or self._too_long()):
                    return (yield from self._wait(error, step, index))
                return (yield from self._turn(error, step, index))
            except Exception as error:  # any failure of a step turns the job back
                if not step.final:
                    return (yield from self._turn(error, step, index))
                self._leave_behind(step, error)
        self._job.facts = dict(self._context.facts)
        yield lambda tx: outcome.ended_well(tx, self._job, self._operation, self._services)
        return End.DONE

    def _heard(self) -> None:
        for fact in (_SILENT, AWAITED):
            self._context.facts.pop(fact, None)

    def _enter(self, step: Step, index: int, phase: str) -> Generator[Callable[[Transaction], object], None, str]:
        begun_before = self._job.step
        self._job.step = index
        found = outcome.phase_named(self._job, step.phase) if step.phase and step.phase != phase else None
        if found is not None and not (index == 0 and self._job.attempt == 1):
            yield lambda tx: outcome.next_phase(tx, self._job, index, found, self._context.seen)
        elif (step.noted or step.final) and begun_before != index:
            yield lambda tx: outcome.noted(tx, self._job, index)
        return step.phase

    def _leave_behind(self, step: Step, error: Exception) -> None:
        """A final step could not do all: the job ends well, and what it left is remembered."""
        self._context.log(f"step {step.name} left something behind: {error}", "warning")
        self._context.facts["left"] = True

    def _later(self, later: NotYet, index: int) -> Turns:
        not_before = self._services.clock.now() + later.seconds
        self._context.facts.pop(AWAITED, None)
        self._job.facts = dict(self._context.facts)
        kept = self._job.error if self._job.direction == "undo" else {}
        yield lambda tx: outcome.parked(tx, self._job, state="waiting", step=index, not_before=not_before, error=kept)
        return End.WAITING

    def _turn(self, error: Exception, step: Step, index: int) -> Turns:
        described = outcome.described(error, step.name)
        if not isinstance(error, NebulaError):
            self._context.log(traceback.format_exc(), "error")
        self._context.log(f"step {step.name} failed: {error}", "error")
        yield lambda tx: outcome.turned(tx, self._job, index, described)
        self._context.cancel = self._renew()
        return (yield from self._backward())

    def _backward(self) -> Turns:
        clean = bool(self._context.facts.get("clean", True))
        for index in range(min(self._job.step, len(self._operation.steps) - 1), -1, -1):
            step = self._operation.steps[index]
            if step.undo is None:
                continue
            try:
                self._context.cancel.raise_if_set()
                step.undo(self._context)
            except OwnerError:
                return End.PARKED
            except NotYet as later:
                return (yield from self._later(later, self._job.step))
            except Onward as onward:
                return (yield from self._go_on(onward))
            except InterruptedByUser:
                if self._stopping.is_set():
                    return (yield from self._park(self._job.step))
                clean = False
                break
            except UnreachableError as error:
                return (yield from self._wait(error, step, self._job.step))
            except Exception as error:
                self._context.log(f"undo of {step.name} failed: {error}", "error")
                clean = False
        yield lambda tx: outcome.ended_badly(tx, self._job, self._operation, self._services, clean=clean)
        return End.FAILED

    def _go_on(self, onward: Onward) -> Turns:
        """Reality says that the job succeeded: forward again, from the step that settles it."""
        index = next(number for number, step in enumerate(self._operation.steps) if step.name == onward.step)
        self._context.log(f"nothing to undo: on to {onward.step}", "warning")
        yield lambda tx: outcome.turned_forward(tx, self._job, index)
        return (yield from self._forward())

    def _park(self, index: int) -> Turns:
        yield lambda tx: outcome.parked(tx, self._job, state="ready", step=index, not_before=0.0, error=self._job.error)
        return End.PARKED

    def _wait(self, error: UnreachableError, step: Step, index: int) -> Turns:
        limits = self._services.settings
        delay = min(limits.retry_most, limits.retry_first * 2 ** min(self._job.attempt - 1, 10))
        not_before = self._services.clock.now() + delay
        if _SILENT not in self._context.facts:  # a log line a silence: a host may be away for months
            self._context.facts[_SILENT] = self._services.clock.now()
            self._context.log(f"step {step.name} waits: {error}", "warning")
        self._context.facts[AWAITED] = self._context.asked()
        self._job.facts = dict(self._context.facts)
        kept = self._job.error if self._job.direction == "undo" else outcome.described(error, step.name)
        yield lambda tx: outcome.parked(tx, self._job, state="waiting", step=index, not_before=not_before, error=kept)
        return End.WAITING

    def _too_long(self) -> bool:
        since = float(self._context.facts.get(_SILENT, self._services.clock.now()))
        return self._services.clock.now() - since > self._services.settings.give_up_after

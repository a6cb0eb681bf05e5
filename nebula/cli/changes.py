"""Verbs that change something: several objects at once, a result for each, and one exit status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from nebula.cli import report
from nebula.cli.objects import Target, resolve
from nebula.cli.waiting import Waiter
from nebula.engine.api.values import Accepted, Call
from nebula.errors import InterruptedByUser, NebulaError, from_dict

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView
    from nebula.engine.api.verbs import Engine

    Finish = Callable[[Engine, Accepted], str]
    """What remains to be waited for once it was accepted; answers what to say."""
    Act = Callable[[Engine, str, Call], Accepted]
    """(engine, ref, call) -> what was accepted."""

ENDS = frozenset({"done"})
"""How the job of a verb that went well has ended."""


class Tally:
    """Counts what went well and what did not, and prints the latter at once."""

    def __init__(self, context: Context, *, single: bool) -> None:
        self._context, self._single = context, single
        self.done = 0
        self.statuses: list[int] = []

    def failed(self, name: str, error: NebulaError) -> None:
        """Print it and remember its exit status."""
        if self._context.results:
            self._context.results.failed(name, error)
        self.statuses.append(report.error(self._context, error, of="" if self._single else name))

    def status(self) -> int:
        """0; 8 if only some failed; the errors' own status if they agree, else 1."""
        if not self.statuses:
            return 0
        if self.done:
            return 8
        return self.statuses[0] if len(set(self.statuses)) == 1 else 1


def each(
    context: Context, line: Invocation, act: Act, *, words: Sequence[str] = (), noun: str = "", done: str = "",
    finish: Finish | None = None, ends: Collection[str] = ENDS,
) -> int:  # fmt: skip
    """Do it to every object that the command's `refs` mean, or the `words`, of the command's noun or another; `done` is the
    word for a result ("powered off"), which `finish` finds for what no job was filed for. `ends`: how jobs end that went
    well.
    """
    wanted = words or line.texts("refs") or (line.text("ref"),)
    with context.changer() as engine:
        targets, missing = resolve(engine, noun or line.command.noun, wanted)
        tally = Tally(context, single=len(targets) + len(missing) == 1)
        for word, error in missing:
            tally.failed(word, error)
        done = done or f"{line.command.name} done"
        return _Run(context, line, engine, tally, done, finish=finish, ends=ends).carry_out(targets, act)


def make(
    context: Context, line: Invocation, names: Sequence[str], act: Act, *, done: str = "created", finish: Finish | None = None
) -> int:
    """Make an object of every name; prints the new ids on stdout."""
    with context.changer() as engine:
        tally = Tally(context, single=len(names) == 1)
        work = [Target(name, name) for name in names]
        return _Run(context, line, engine, tally, done, ids=True, finish=finish).carry_out(work, act)


class _Run:
    """One command on its way: file the work, then print, return or wait as asked."""

    def __init__(
        self, context: Context, line: Invocation, engine: Engine, tally: Tally, done: str, *, ids: bool = False,
        finish: Finish | None = None, ends: Collection[str] = ENDS,
    ) -> None:  # fmt: skip
        self._context, self._engine, self._tally, self._done = context, engine, tally, done
        self._dry, self._ids, self._finish, self._ends = line.flag("dry_run"), ids, finish, ends

    def carry_out(self, work: Sequence[Target], act: Act) -> int:
        """Do it to each; returns the exit status."""
        accepted: list[Accepted] = []
        for item in work:
            try:
                answer = act(self._engine, item.ref, self._context.call(dry_run=self._dry))
            except NebulaError as error:
                self._tally.failed(item.name, error)
            else:
                accepted.append(answer)
                if self._context.results:
                    self._context.results.accepted(item.ref, answer)
        if self._dry:
            self._print_would(accepted)
        elif self._context.options.no_wait:
            self._print_jobs(accepted)
        else:
            self._wait(accepted)
        return self._tally.status()

    def _print_would(self, accepted: Sequence[Accepted]) -> None:
        for answer in accepted:
            self._tally.done += 1
            for text in answer.would or ("nothing to do",):
                self._context.write(f"{answer.name}: {text}")

    def _print_jobs(self, accepted: Sequence[Accepted]) -> None:
        for answer in accepted:
            self._tally.done += 1
            for job in answer.jobs:
                self._context.write(str(job))
                self._context.say(f"{answer.kind} {answer.name} ({answer.id}): job {job}")
            if not answer.jobs and self._ids:
                self._context.write(str(answer.id))

    def _wait(self, accepted: Sequence[Accepted]) -> None:
        by_job = {job: answer for answer in accepted for job in answer.jobs}
        left = {answer.jobs: set(answer.jobs) for answer in accepted}

        def ended(view: JobView) -> None:
            answer = by_job[view.id]
            if view.state not in self._ends:
                self._tally.failed(answer.name, job_error(view))
                return
            left[answer.jobs].discard(view.id)
            if not left[answer.jobs]:
                self._succeeded(answer, self._done)

        Waiter(self._context, self._engine).wait(list(by_job), ended)
        for answer in accepted:
            if not answer.job_id:
                self._finished(answer)

    def _finished(self, answer: Accepted) -> None:
        if self._ids:
            self._context.write(str(answer.id))
        try:
            done = self._finish(self._engine, answer) if self._finish else self._done
        except NebulaError as error:
            self._tally.failed(answer.name, error)
        else:
            self._tally.done += 1
            self._context.say(f"{answer.kind} {answer.name} ({answer.id}): {done}")

    def _succeeded(self, answer: Accepted, done: str) -> None:
        self._tally.done += 1
        if self._ids:
            self._context.write(str(answer.id))
        self._context.say(f"{answer.kind} {answer.name} ({answer.id}): {done}")


def job_error(view: JobView) -> NebulaError:
    """Why a job did not end well, as an error."""
    if view.error.get("code") and view.state != "cancelled":
        error = from_dict({key: str(value) for key, value in view.error.items()})
        error.hint = error.hint or f"nebula job log {view.id}"
        return error
    if view.state == "cancelled":
        cause = "; ".join(str(view.error[key]) for key in ("message", "cause") if view.error.get(key))
        return InterruptedByUser(
            f"job {view.id} ({view.kind}) was cancelled", cause=cause, hint=str(view.error.get("hint", ""))
        )
    return NebulaError(f"job {view.id} ({view.kind}) failed", hint=f"nebula job log {view.id}")

"""Waiting for jobs: follow the events, look at the jobs, show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from nebula.cli.progress import Bars, Lines, View
from nebula.errors import TimedOutError
from nebula.units import parse_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView
    from nebula.engine.api.verbs import Engine

T = TypeVar("T")
_LOOK = 0.5
"""Seconds between two looks at a job that moves without events (bytes copied)."""


def time_limit(line: Invocation) -> float:
    """What --timeout allows, in seconds, 0 without it; "0" is one look."""
    text = line.text("timeout")
    return (parse_duration(text) or 1e-9) if text else 0.0


class Waiter:
    """Waits for jobs of one engine."""

    def __init__(self, context: Context, engine: Engine) -> None:
        self._context, self._engine = context, engine

    def wait(self, jobs: Sequence[int], ended: Callable[[JobView], None], *, timeout: float = 0.0) -> None:
        """Until all have ended; `ended` hears of each. Ctrl-C says how to go on and is passed on; TimedOutError after
        `timeout` seconds (0: never).
        """
        pending = list(dict.fromkeys(jobs))
        if not pending:
            return
        deadline = self._context.monotonic() + timeout if timeout else 0.0
        try:
            with _view(self._context) as view:
                self._follow(pending, ended, view, deadline)
        except KeyboardInterrupt:
            for job in pending:
                self._context.say(f"job {job} goes on; follow it with: nebula job wait {job}")
            raise

    def _follow(self, pending: list[int], ended: Callable[[JobView], None], view: View, deadline: float) -> None:
        after = self._engine.system.status().last_event
        self._look(pending, ended, view)
        looked = self._context.monotonic()
        events = self._engine.events.follow(after)
        while pending:
            event = next(events, None)
            now = self._context.monotonic()
            if deadline and now >= deadline:
                raise _too_late(pending)
            about = event is not None and event.object_kind == "job" and event.object_id in pending
            if about or now - looked >= _LOOK:
                self._look(pending, ended, view)
                looked = now

    def _look(self, pending: list[int], ended: Callable[[JobView], None], view: View) -> None:
        for job in list(pending):
            found = self._engine.jobs.show(job)
            view.show(found)
            if found.finished:
                pending.remove(job)
                with view.aside():
                    ended(found)


def looks(engine: Engine, look: Callable[[], T]) -> Iterator[T]:
    """What a look finds: at once, and again whenever something happened or a while passed."""
    after = engine.system.status().last_event
    yield look()
    for _ in engine.events.follow(after):
        yield look()


def _too_late(pending: Sequence[int]) -> TimedOutError:
    words = " ".join(str(job) for job in pending)
    return TimedOutError(
        f"job {words} has not ended in time" if len(pending) == 1 else f"jobs {words} have not ended in time",
        hint=f"nebula job wait {words}",
    )


@contextmanager
def _view(context: Context) -> Iterator[View]:
    if context.options.quiet or not context.err.isatty():
        yield Lines(context)
        return
    with Bars(context) as bars:
        yield bars

"""How far jobs are: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from nebula.cli.output.text import printable
from nebula.cli.output.values import local_time

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.engine.api.values import JobView


class View(Protocol):
    """Shows jobs."""

    def show(self, job: JobView) -> None:
        """How the job is now."""
        ...

    def aside(self) -> AbstractContextManager[object]:
        """While it lasts, others may write on the terminal."""
        ...


class Lines:
    """A line on stderr whenever a job takes another step, or waits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._said: dict[int, str] = {}

    def show(self, job: JobView) -> None:
        """See View.show."""
        text = describe(job)
        if not job.finished and self._said.get(job.id) != text:
            self._said[job.id] = text
            self._context.say(f"job {job.id} {text}")

    def aside(self) -> AbstractContextManager[object]:
        """See View.aside."""
        return nullcontext()


class Bars:
    """rich's progress bars on stderr, one a job."""

    def __init__(self, context: Context) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        console = Console(file=context.err, no_color=not context.colours(context.err))
        text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        columns = (text, BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._tasks: dict[int, Any] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """See View.aside."""
        self._progress.stop()
        yield
        self._progress.start()

    def show(self, job: JobView) -> None:
        """See View.show."""
        if job.finished:
            task = self._tasks.pop(job.id, None)
            if task is not None:
                self._progress.remove_task(task)
            return
        if job.id not in self._tasks:
            self._tasks[job.id] = self._progress.add_task(describe(job), total=1.0)
        self._progress.update(self._tasks[job.id], description=describe(job), completed=share(job))


def describe(job: JobView) -> str:
    """vm.deploy web: copy image (2 of 5)."""
    head = printable(f"{job.kind} {job.target}")
    why = str(job.error.get("message", ""))
    if job.state == "waiting" and (why or not job.not_before):  # else it only looks again, many times a second
        until = f"tried again at {local_time(job.not_before)}" if job.not_before else "waits"
        return f"{head}: {until}: {printable(why)}" if why else f"{head}: {until}"
    if job.state == "ready":
        return f"{head}: waits for its turn"
    undo = " back" if job.direction == "undo" else ""
    return f"{head}:{undo} {job.step or job.state} ({min(job.position + 1, max(job.steps, 1))} of {max(job.steps, 1)})"


def share(job: JobView) -> float:
    """How much is done, 0 to 1: steps, and bytes within the step."""
    within = min(job.done / job.total, 1.0) if job.total > 0 else 0.0
    return min((job.position + within) / max(job.steps, 1), 1.0)

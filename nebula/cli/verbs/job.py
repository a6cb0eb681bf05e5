"""The commands of `nebula job`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli import report
from nebula.cli.changes import Tally, job_error
from nebula.cli.showing import print_mapping
from nebula.cli.verbs.vm_reads import print_log_line
from nebula.cli.waiting import Waiter
from nebula.errors import NebulaError, UsageError
from nebula.units import parse_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView
    from nebula.engine.api.verbs import Engine


def job_id(word: str) -> int:
    """The id that was typed; UsageError if it is none."""
    if not (word.isascii() and word.isdigit() and len(word) < 19):
        raise UsageError(f"{word[:40]!r} is not the id of a job", hint="nebula job list")
    return int(word)


def show(context: Context, line: Invocation) -> int:
    """Show a job."""
    import msgspec

    with context.reader() as engine:
        view = engine.jobs.show(job_id(line.text("job")))
    body: dict[str, Any] = msgspec.to_builtins(view)
    print_mapping(context, body, line.text("format"))
    return 0


def log(context: Context, line: Invocation) -> int:
    """Print a job's log; with --follow until it has ended."""
    with context.reader() as engine:
        number = job_id(line.text("job"))
        after = engine.system.status().last_event
        printed = _print_log(context, engine, number, 0)
        if line.flag("follow"):
            for _ in engine.events.follow(after):
                finished = engine.jobs.show(number).finished
                printed = _print_log(context, engine, number, printed)
                if finished:
                    break
    return 0


def _print_log(context: Context, engine: Engine, number: int, printed: int) -> int:
    lines = engine.jobs.log(number, after=printed)
    for item in lines:
        print_log_line(context, item)
    context.out.flush()
    return printed + len(lines)


def wait(context: Context, line: Invocation) -> int:
    """Until jobs have ended."""
    numbers = [job_id(word) for word in line.texts("jobs")]
    limit = parse_duration(line.text("timeout")) if line.text("timeout") else 0
    tally = Tally(context, single=len(numbers) == 1)

    def ended(view: JobView) -> None:
        if view.state == "done":
            tally.done += 1
            context.say(f"job {view.id} ({view.kind} {view.target}): done")
        else:
            tally.failed(f"job {view.id} ({view.kind} {view.target})", job_error(view))

    with context.changer() as engine:
        Waiter(context, engine).wait(numbers, ended, timeout=limit)
    return tally.status()


def cancel(context: Context, line: Invocation) -> int:
    """Cancel jobs and wait until they have ended."""
    numbers = [job_id(word) for word in line.texts("jobs")]
    tally = Tally(context, single=len(numbers) == 1)
    asked: list[int] = []
    with context.changer() as engine:
        for number in numbers:
            try:
                answer = engine.jobs.cancel(number, context.call(dry_run=line.flag("dry_run")))
            except NebulaError as error:
                tally.failed(f"job {number}", error)
            else:
                asked.append(number)
                for text in answer.would if line.flag("dry_run") else ():
                    context.write(text)
        if line.flag("dry_run") or context.options.no_wait:
            tally.done += len(asked)
        else:
            Waiter(context, engine).wait(asked, lambda view: _cancelled(context, view, tally))
    return tally.status()


def _cancelled(context: Context, view: JobView, tally: Tally) -> None:
    if view.state == "cancelled":
        tally.done += 1
        context.say(f"job {view.id} ({view.kind} {view.target}): cancelled")
    elif view.state == "done":
        tally.done += 1
        context.say(f"job {view.id} ({view.kind} {view.target}): had ended well before it could be cancelled")
    else:
        tally.statuses.append(report.error(context, job_error(view), of=f"job {view.id}"))

"""The commands of `nebula job`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli import report
from nebula.cli.changes import Tally, job_error
from nebula.cli.showing import print_mappings
from nebula.cli.verbs.vm_reads import print_log_line
from nebula.cli.waiting import Waiter, time_limit
from nebula.engine.api.tables import Query
from nebula.errors import NebulaError, NotFoundError, UsageError
from nebula.units import format_size

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView, LogLine
    from nebula.engine.api.verbs import Engine


def job_id(word: str) -> int:
    """The id that was typed; UsageError if it is none."""
    if not (word.isascii() and word.isdigit() and len(word) < 19):
        raise UsageError(f"{word[:40]!r} is not the id of a job", hint="nebula job list")
    return int(word)


def job_ids(engine: Engine, words: Sequence[str]) -> list[int]:
    """Ids, lists of them (3,7) and ranges (12..20), which mean the jobs that there are. UsageError for anything else,
    NotFoundError for a range without jobs.
    """
    found: list[int] = []
    for word in [part for text in words for part in text.split(",")]:
        first, dots, last = word.partition("..")
        found += _between(engine, job_id(first), job_id(last)) if dots else [job_id(word)]
    return list(dict.fromkeys(found))


def _between(engine: Engine, first: int, last: int) -> list[int]:
    query = Query(columns=("id",), filters=(("id", ">=", str(first)), ("id", "<=", str(last))), sort=("id",))
    found = [int(row[0]) for row in engine.jobs.list(query).rows]
    if not found:
        raise NotFoundError(f"there is no job {first}..{last}", hint="nebula job list")
    return found


def show(context: Context, line: Invocation) -> int:
    """Show jobs."""
    import msgspec

    people = line.text("format") in {"", "text"}
    with context.reader() as engine:
        numbers = job_ids(engine, line.texts("jobs"))
        tally = Tally(context, single=len(numbers) == 1)
        found = _views(engine, numbers, tally)
    tally.done = len(found)
    bodies: list[dict[str, Any]] = [msgspec.to_builtins(view) for view in found]
    if people:
        bodies = [_for_people(view, body) for view, body in zip(found, bodies, strict=True)]
    print_mappings(context, bodies, line.text("format"))
    return tally.status()


def _views(engine: Engine, numbers: Sequence[int], tally: Tally) -> list[JobView]:
    found: list[JobView] = []
    for number in numbers:
        try:
            found.append(engine.jobs.show(number))
        except NebulaError as error:
            tally.failed(f"job {number}", error)
    return found


def _for_people(view: JobView, body: dict[str, Any]) -> dict[str, Any]:
    """What tells something: how far it is in words, and no zeros."""
    place = f"{min(view.position + (not view.finished), view.steps)} of {view.steps}" if view.steps else ""
    shown = {
        "id": view.id,
        "kind": view.kind,
        "on": f"{view.target_kind} {view.target} ({view.target_id})",
        "state": view.state + (", on its way back" if view.direction == "undo" and not view.finished else ""),
        "step": f"{view.step} ({place})" if view.step and place else view.step or place,
        "copied": f"{format_size(view.done)} of {format_size(view.total)}" if view.total else "",
        "attempt": view.attempt if view.attempt > 1 else "",
    }
    hidden = {"target_kind", "target_id", "target", "steps", "position", "direction", "done", "total"}
    zeros = {key for key in ("not_before", "started", "ended", "parent_id") if not body.get(key)}
    return shown | {key: value for key, value in body.items() if key not in shown and key not in hidden | zeros}


def log(context: Context, line: Invocation) -> int:
    """Print the log of jobs, as it came about; with --follow until they have ended."""
    with context.reader() as engine:
        numbers = job_ids(engine, line.texts("jobs"))
        tally = Tally(context, single=len(numbers) == 1)
        after = engine.system.status().last_event
        printed = {view.id: 0 for view in _views(engine, numbers, tally)}
        _print_log(context, engine, printed)
        if line.flag("follow") and printed:
            for _ in engine.events.follow(after):
                finished = all(engine.jobs.show(number).finished for number in printed)
                _print_log(context, engine, printed)
                if finished:
                    break
    tally.done = len(printed)
    return tally.status()


def _print_log(context: Context, engine: Engine, printed: dict[int, int]) -> None:
    """What is new in the jobs' logs; `printed` counts their lines."""
    fresh: list[LogLine] = []
    for number, count in printed.items():
        lines = engine.jobs.log(number, after=count)
        printed[number] = count + len(lines)
        fresh += lines
    for item in sorted(fresh, key=lambda item: item.at):
        print_log_line(context, item)
    context.out.flush()


def wait(context: Context, line: Invocation) -> int:
    """Until jobs have ended."""
    with context.changer() as engine:
        return _wait_for(context, engine, job_ids(engine, line.texts("jobs")), time_limit(line))


def _wait_for(context: Context, engine: Engine, numbers: Sequence[int], limit: float) -> int:
    tally = Tally(context, single=len(numbers) == 1)

    def ended(view: JobView) -> None:
        if view.state == "done":
            tally.done += 1
            context.say(f"job {view.id} ({view.kind} {view.target}): done")
        else:
            tally.failed(f"job {view.id} ({view.kind} {view.target})", job_error(view))

    Waiter(context, engine).wait(numbers, ended, timeout=limit)
    return tally.status()


def cancel(context: Context, line: Invocation) -> int:
    """Cancel jobs and wait until they have ended."""
    asked: list[int] = []
    with context.changer() as engine:
        numbers = job_ids(engine, line.texts("jobs"))
        tally = Tally(context, single=len(numbers) == 1)
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
        how = f": {view.error['cause']}" if view.error.get("cause") else ""
        context.say(f"job {view.id} ({view.kind} {view.target}): cancelled{how}")
    elif view.state == "done":
        tally.done += 1
        context.say(f"job {view.id} ({view.kind} {view.target}): had ended well before it could be cancelled")
    else:
        tally.statuses.append(report.error(context, job_error(view), of=f"job {view.id}"))

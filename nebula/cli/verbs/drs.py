"""The commands of `nebula drs`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nebula.cli.changes import job_error
from nebula.cli.output.formats import json_text, yaml_text
from nebula.cli.output.plan import forecast_lines, plan_lines, status_lines
from nebula.cli.showing import as_data
from nebula.cli.waiting import Waiter
from nebula.errors import ConflictError, NebulaError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import JobView


def status(context: Context, line: Invocation) -> int:
    """How balanced clusters are."""
    with context.reader() as engine:
        found = engine.drs.status(line.text("cluster"))
    if not found:
        context.say("no clusters")
    _print(context, line.text("format"), [as_data(item) for item in found], status_lines)
    return 0


def plan(context: Context, line: Invocation) -> int:
    """Make a plan."""
    with context.changer() as engine:
        detail = engine.drs.plan(line.text("cluster"), context.call(dry_run=line.flag("dry_run")), bound=line.flag("bound"))
    _print(context, line.text("format"), [as_data(detail)], plan_lines)
    if detail.id:
        context.say(f"to carry it out: nebula drs apply {detail.id}")
    return 0


def show(context: Context, line: Invocation) -> int:
    """A plan and what came of it."""
    with context.reader() as engine:
        detail = engine.drs.show(number(line.text("plan"), "plan"))
    _print(context, line.text("format"), [as_data(detail)], plan_lines)
    return 0


def apply(context: Context, line: Invocation) -> int:
    """Carry a plan out and wait for its end."""
    which = number(line.text("plan"), "plan")
    moves = [number(word, "move") for word in line.texts("moves")]
    failed: list[NebulaError] = []

    def ended(view: JobView) -> None:
        if view.state == "done":
            context.say(f"plan {which}: done")
        else:
            failed.append(job_error(view))

    with context.changer() as engine:
        answer = engine.drs.apply(which, context.call(dry_run=line.flag("dry_run")), moves=moves)
        for text in answer.would:
            context.write(text)
        if answer.job_id and context.options.no_wait:
            context.write(str(answer.job_id))
        elif answer.job_id:
            Waiter(context, engine).wait([answer.job_id], ended)
    if failed:
        raise failed[0]
    return 0


def set_policy(context: Context, line: Invocation) -> int:
    """Change settings."""
    changes = settings(line.texts("settings"))
    with context.changer() as engine:
        answer = engine.drs.set(line.text("cluster"), changes, context.call(dry_run=line.flag("dry_run")))
    for text in answer.would:
        context.write(text)
    if not line.flag("dry_run"):
        context.say(f"cluster {answer.name} ({answer.id}): {', '.join(f'{key}={value}' for key, value in changes.items())}")
    return 0


def forecast(context: Context, line: Invocation) -> int:
    """The coming hour, or the coming months."""
    with context.reader() as engine:
        detail = engine.drs.forecast(line.text("kind"), line.text("object"))
    _print(context, line.text("format"), [as_data(detail)], forecast_lines)
    return 0


def snapshot(context: Context, line: Invocation) -> int:
    """Write what the planner sees."""
    with context.reader() as engine:
        body = engine.drs.snapshot(line.text("cluster"), anonymous=line.flag("anonymous"))
    path = line.text("path")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConflictError(f"the file {path} exists already", hint="choose another name") from error
    except OSError as error:
        raise NebulaError(f"the file {path} cannot be written", cause=str(error), hint="choose another place") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json_text(body) + "\n")
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - it is a word that was typed
        raise NebulaError(f"the file {path} cannot be written", cause=str(error), hint="choose another place") from error
    context.say(f"{path}: {len(body['snapshot']['hosts'])} hosts, {len(body['snapshot']['vms'])} VMs")
    return 0


def number(word: str, what: str) -> int:
    """A number that was typed; UsageError if it is none."""
    if not (word.isascii() and word.isdigit() and 0 < len(word) < 19):
        raise UsageError(f"{word[:40]!r} is not the number of a {what}", hint="nebula drs history")
    return int(word)


def settings(words: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE words."""
    found: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise UsageError(f"{word[:60]!r} sets nothing", hint="write it like mode=full")
        found[name.strip().lower().replace("-", "_")] = value
    return found


def _print(context: Context, format_name: str, bodies: list[dict[str, Any]], lines: Any) -> None:
    if format_name in {"json", "yaml"}:
        write = json_text if format_name == "json" else yaml_text
        context.write(write(bodies[0] if len(bodies) == 1 else bodies))
        return
    for body in bodies:
        for text in lines(body, context.now(), context.width()):
            context.write(text)

"""nebula status, doctor, support, and the verbs of db."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli.objects import resolve
from nebula.cli.report import error as print_error
from nebula.cli.showing import print_mapping
from nebula.cli.verbs.common import print_findings

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Finding


def status(context: Context, line: Invocation) -> int:
    """How the engine is."""
    import msgspec

    with context.reader() as engine:
        found = engine.system.status()
    body: dict[str, Any] = msgspec.to_builtins(found)
    if line.text("format") in {"", "text"}:
        runs = f"runs as {found.role}, process {found.owner_pid}" if found.owner_pid else "does not run"
        body = {"engine": runs, **body}
    print_mapping(context, body, line.text("format"))
    return 0


def doctor(context: Context, line: Invocation) -> int:
    """What is missing; exit 1 if something is wrong."""
    found: list[Finding] = []
    worst = 0
    with context.reader() as engine:
        if not line.texts("hosts"):
            found.extend(engine.system.doctor())
        else:
            targets, missing = resolve(engine, "host", line.texts("hosts"))
            for _, error in missing:
                worst = print_error(context, error)
            for target in targets:
                found.extend(engine.hosts.check(target.ref))
    return max(worst, print_findings(context, found, line.text("format")))


def support(context: Context, line: Invocation) -> int:
    """Make the bundle; prints its path."""
    with context.reader() as engine:
        context.write(engine.system.support(_absolute(line.text("path"))))
    context.say("secrets are left out; look through it before you send it")
    return 0


def backup(context: Context, line: Invocation) -> int:
    """Copy the database; prints the path."""
    with context.reader() as engine:
        context.write(engine.system.backup(_absolute(line.text("path"))))
    return 0


def restore(context: Context, line: Invocation) -> int:
    """Put a copy in the database's place; prints where the one that was there is now."""
    aside = context.connect.restore(context.options, _absolute(line.text("path")))
    context.say("the database is the copy now; hosts are asked what is true when the next engine starts")
    if aside:
        context.write(aside)
    return 0


def db_check(context: Context, line: Invocation) -> int:
    """Whether the database is sound."""
    with context.reader() as engine:
        found = engine.system.check()
    return print_findings(context, found, line.text("format"))


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())

"""nebula status, doctor, support, and the verbs of db."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli import attention
from nebula.cli.colour import paint
from nebula.cli.nouns import part
from nebula.cli.objects import resolve
from nebula.cli.output.text import printable
from nebula.cli.output.values import machine
from nebula.cli.report import error as print_error
from nebula.cli.showing import print_mapping
from nebula.cli.verbs.common import print_findings
from nebula.engine.api.tables import Query
from nebula.errors import UsageError
from nebula.units import format_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Finding, Status
    from nebula.engine.api.verbs import Engine


def status(context: Context, line: Invocation) -> int:
    """How the engine is."""
    import msgspec

    with context.reader() as engine:
        found = engine.system.status()
        states = {noun: _states(engine, noun) for noun in ("host", "vm")}
        troubles = attention.of_engine(engine)
    if line.text("format") in {"", "text"}:
        print_mapping(context, _for_people(context, found, states), "text")
        for trouble in troubles:
            context.write(paint(printable(str(trouble)), "red", wanted=context.colours(context.out)))
        if not troubles:
            context.say("nothing wants attention")
        return 0
    body: dict[str, Any] = msgspec.to_builtins(found)
    body |= {"states": states, "problems": [trouble._asdict() | {"names": list(trouble.names)} for trouble in troubles]}
    print_mapping(context, body, line.text("format"))
    return 0


def _states(engine: Engine, noun: str) -> dict[str, int]:
    """State -> how many are in it, the most frequent first."""
    listing = part(engine, noun).list(Query(columns=("state",)))
    show = "state" if noun == "vm" else "host_state"
    return dict(Counter(str(machine(show, row[0])) for row in listing.rows).most_common())


def _for_people(context: Context, found: Status, states: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    runs = f"runs as {found.role}, process {found.owner_pid}" if found.owner_pid else "does not run: nobody watches the hosts"
    since = f", for {format_duration(context.now() - found.started)}" if found.owner_pid and found.started else ""
    body: dict[str, Any] = {"engine": f"{runs}{since}", "version": found.version, "home": found.home}
    for noun, count in found.counts.items():
        parts = ", ".join(f"{number} {state}" for state, number in states.get(noun, {}).items())
        body[f"{noun}s"] = f"{count}: {parts}" if parts else str(count)
    jobs = ", ".join(f"{number} {state}" for state, number in found.jobs.items())
    if jobs and not found.owner_pid:
        jobs += ", but no engine runs to do them: nebula --daemon"
    return {**body, "jobs": jobs or "none under way"}


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
    path = _absolute(line.text("path"))
    if line.flag("dry_run"):
        context.connect.restore(context.options, path, dry_run=True)
        context.write(f"put {path} in the database's place, and the present one aside")
        return 0
    aside = context.connect.restore(context.options, path)
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
    if not path.isprintable() or not path.strip():
        raise UsageError(f"{path[:60]!a} cannot be the name of a file", hint="give it a name that can be printed")
    return str(Path(path).expanduser().absolute())

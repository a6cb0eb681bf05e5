"""Verbs that mean the same for every noun."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nebula.cli.changes import Tally, each
from nebula.cli.nouns import part
from nebula.cli.objects import resolve
from nebula.cli.output.formats import Field, Table, render
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call, Finding
    from nebula.engine.api.verbs import Engine


def rename(context: Context, line: Invocation) -> int:
    """NOUN rename REF NAME."""
    noun = line.command.noun
    name = check_name(noun, line.text("name"))

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return part(engine, noun).rename(ref, name, call)

    return each(context, line, act, done=f"is called {name} now")


def remove(context: Context, line: Invocation) -> int:
    """NOUN remove REF REF ..."""
    noun = line.command.noun

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        if noun == "host":
            return engine.hosts.remove(ref, call, force=line.flag("force"))
        return part(engine, noun).remove(ref, call)

    return each(context, line, act, done="removed")


def check(context: Context, line: Invocation) -> int:
    """NOUN check REF…: exit 1 if something is wrong."""
    noun = line.command.noun
    found: list[Finding] = []
    with context.reader() as engine:
        targets, missing = resolve(engine, noun, line.texts("refs"))
        tally = Tally(context, single=len(targets) + len(missing) == 1)
        for word, error in missing:
            tally.failed(word, error)
        for target in targets:
            found.extend(part(engine, noun).check(target.ref))
    tally.done = len(targets)
    return max(tally.status(), print_findings(context, found, line.text("format")))


def print_findings(context: Context, found: Sequence[Finding], format_name: str) -> int:
    """Print what a check found; 1 if one of it is an error, else 0."""
    fields = [Field(name, name.upper()) for name in ("where", "level", "check", "text", "fix")]
    rows = [[item.where, item.level, item.check, item.text, item.fix] for item in found]
    print_rows(context, Table(fields, rows), format_name, empty="nothing found")
    return int(any(item.level == "error" for item in found))


def print_rows(context: Context, table: Table, format_name: str, *, empty: str) -> None:
    """Rows in any format; an empty table is a line on stderr."""
    if not table.rows and format_name in {"", "table", "wide"}:
        context.say(empty)
    coloured = context.colours(context.out)
    for text in render(table, format_name, context.now(), terminal=context.width(), coloured=coloured):
        context.write(text)


def assignments(words: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE words as upper-case attributes."""
    found: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key.replace("_", "").isalnum():
            raise UsageError(f"{word[:60]!r} sets nothing", hint="write it like --set KEY=VALUE")
        found[key.upper()] = value
    return found


def given(line: Invocation, *keys: str) -> dict[str, str | bool | int | tuple[str, ...]]:
    """Those of the options that were typed, by key."""
    return {key: line.values[key] for key in keys if line.has(key)}

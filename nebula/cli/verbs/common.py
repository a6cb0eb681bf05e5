"""Verbs that mean the same for every noun."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nebula.cli.changes import Tally, each
from nebula.cli.colour import paint
from nebula.cli.nouns import part
from nebula.cli.objects import resolve
from nebula.cli.output.formats import Field, Table, render
from nebula.cli.output.text import printable, width
from nebula.errors import UsageError
from nebula.names import check_name

_LEVELS = {"ok": 0, "warning": 1, "error": 2}
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
_KEY = re.compile(r"\w{1,128}", re.ASCII)

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


def update(context: Context, line: Invocation) -> int:
    """NOUN update REF… --set KEY=VALUE."""
    noun = line.command.noun
    changes = {"attributes": assignments(line.texts("set"))}
    if not changes["attributes"]:
        raise UsageError(f"{noun} update changes nothing", hint="add --set KEY=VALUE")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return part(engine, noun).update(ref, changes, call)

    return each(context, line, act, done="updated")


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
    """Print what a check found; 1 if one of it is an error, else 0. For people: what is bad comes last, whole."""
    if not format_name and found:
        for text in _findings(context, sorted(found, key=lambda item: _LEVELS.get(item.level, 0))):
            context.write(text)
        return int(any(item.level == "error" for item in found))
    fields = [Field(name, name.upper()) for name in ("where", "level", "check", "text", "fix")]
    rows = [[item.where, item.level, item.check, item.text, item.fix] for item in found]
    print_rows(context, Table(fields, rows), format_name, empty="nothing found")
    return int(any(item.level == "error" for item in found))


def _findings(context: Context, found: Sequence[Finding]) -> Iterator[str]:
    """A line for each, and one for what mends it."""
    coloured = context.colours(context.out)
    where = max(width(printable(item.where)) for item in found)
    for item in found:
        level = paint(item.level.ljust(7), _COLOURS.get(item.level, ""), wanted=coloured)
        place = printable(item.where)
        yield f"{level}  {place}{' ' * (where - width(place))}  {printable(f'{item.check}: {item.text}')}"
        if item.fix and item.level != "ok":
            yield f"{' ' * (where + 11)}{paint('fix:', 'cyan', wanted=coloured)} {printable(item.fix)}"


def print_rows(context: Context, table: Table, format_name: str, *, empty: str) -> None:
    """Rows in any format; an empty table is a line on stderr."""
    if not table.rows and format_name in {"", "table", "wide"}:
        context.say(empty)
    coloured = context.colours(context.out)
    for text in render(table, format_name, context.now(), terminal=context.width(), coloured=coloured):
        context.write(text)


def assignments(words: Iterable[str], option: str = "--set") -> dict[str, str]:
    """KEY=VALUE words as upper-case attributes."""
    found: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not _KEY.fullmatch(key):
            raise UsageError(f"{option} {word[:60]!r} sets nothing", hint=f"write it like {option} KEY=VALUE")
        found[key.upper()] = value
    return found


def given(line: Invocation, *keys: str) -> dict[str, str | bool | int | tuple[str, ...]]:
    """Those of the options that were typed, by key."""
    return {key: line.values[key] for key in keys if line.has(key)}

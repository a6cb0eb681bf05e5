"""Command lines out of what was filled in: shown, copied and run alike."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from nebula.cli.command import Argument, Command, Option, options_of
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.cli.values import invocation
from nebula.errors import UsageError

Filled = dict[str, str | bool | list[str]]
"""Argument names and option keys -> what was filled in; what is empty was not."""


class Helper(NamedTuple):
    """What a dialog asks of the engine. `attempt`: whether the line would be taken, and what it would do or why not;
    `names`: live names of a noun; `document`: what would be made, as YAML, where something is; `parts`: of what the object is
    made that may be ticked, (value, line) each within so many columns, after a header.
    """

    attempt: Callable[[Filled], Awaitable[tuple[bool, str]]]
    names: Callable[[str], Awaitable[list[str]]]
    document: Callable[[Filled], Awaitable[str]] | None = None
    parts: Callable[[int], Awaitable[list[tuple[str, str]]]] | None = None


class Target(NamedTuple):
    """An object that a command is about."""

    key: int
    name: str


def words(command: Command, filled: Filled) -> list[str]:
    """The line's words behind `nebula`."""
    found = [word for word in (command.noun, command.name) if word]
    rest = list[str]()
    for argument in command.arguments:
        value = filled.get(argument.name) or ()
        values = [value] if isinstance(value, str) else [str(word) for word in value] if not isinstance(value, bool) else []
        (rest if command.rest and argument.many else found).extend(values)
    for option in options_of(command):
        found += _option(option, filled.get(option.key))
    return [*found, "--", *rest] if rest else found


def text(command: Command, filled: Filled) -> str:
    """The line as it can be pasted into a shell."""
    return shlex.join(["nebula", *words(command, filled)])


def check(command: Command, filled: Filled, options: GlobalOptions) -> Invocation:
    """What the line means; UsageError for what is missing or makes no sense."""
    for argument in command.arguments:
        if not argument.optional and not filled.get(argument.name):
            raise UsageError(f"{argument.name} is missing", cause=argument.help)
    return invocation(command, dict(filled), options)


def split(field: Argument | Option, typed: str) -> str | list[str]:
    """What was typed into a field: several words where it takes several, quoted as in a shell."""
    many = field.many if isinstance(field, Argument) else field.kind == "many"
    if not many:
        return typed.strip()
    try:
        return shlex.split(typed)
    except ValueError as error:
        raise UsageError(f"a quotation mark of {typed!r} is not closed") from error


def _option(option: Option, value: object) -> Iterator[str]:
    if value is True:
        yield option.name
    elif isinstance(value, str) and value:
        yield from _given(option, value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for word in value:
            yield from _given(option, str(word))


def _given(option: Option, value: str) -> list[str]:
    """A value that looks like an option stands behind a `=`."""
    return [f"{option.name}={value}"] if value.startswith("-") else [option.name, value]


def named(target: Argument | None, found: Sequence[Target], filled: Filled) -> Filled:
    """The same with names in the place of ids, for reading."""
    if target is None or not found:
        return filled
    names = [item.name for item in found]
    return {**filled, target.name: names if target.many else names[0]}

"""Lines in plain form, parsed from the table without Typer, whose import alone would take half of the time.

Whatever is not plain (help, a mistake, options run together) is left to Typer, which reads the same table; both end in
`values.invocation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nebula.cli import streams, table
from nebula.cli.command import GLOBALS, Argument, Command, Option, options_of
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.cli.values import globals_from, invocation

Words = dict[str, Any]


def parse(argv: Sequence[str]) -> Invocation | None:
    """The invocation, or None where Typer has to look. UsageError for values that the table refuses."""
    noun = ""
    options, rest = _leading(GlobalOptions(), list(argv))
    if not rest and streams.terminal():
        rest = ["tui"]
    if rest == ["--version"]:
        rest = ["version"]
    if rest and table.noun_named(rest[0]) is not None:
        noun, rest = rest[0], rest[1:]
        options, rest = _leading(options, rest)
    return _leaf(table.find(noun, rest[0]), rest[1:], options) if rest else None


def _leading(options: GlobalOptions, words: list[str]) -> tuple[GlobalOptions, list[str]]:
    found: Words = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and _take(rest, GLOBALS, found):
        pass
    return globals_from(found, GLOBALS, options), rest


def _leaf(command: Command | None, words: list[str], options: GlobalOptions) -> Invocation | None:
    if command is None:
        return None
    declared, places = options_of(command), list[str]()
    found: Words = {}
    rest = list(words)
    while rest:
        if rest[0] == "--":
            places.extend(rest[1:])
            break
        if not rest[0].startswith("-") or rest[0] == "-":
            places.append(rest.pop(0))
        elif not _take(rest, declared, found):
            return None
    return invocation(command, found, options) if _place(command.arguments, places, found) else None


def _take(words: list[str], declared: Sequence[Option], found: Words) -> bool:
    """Take one option off the front; False (and nothing taken) if it is not plain."""
    name, separator, value = words[0].partition("=") if words[0].startswith("--") else (words[0], "", "")
    option = next((option for option in declared if name in {option.name, option.short} and name), None)
    if option is None or (option.kind == "flag" and separator):
        return False
    if option.kind == "flag":
        found[option.key] = True
        del words[0]
        return True
    if not separator and len(words) < 2:
        return False
    text = value if separator else words[1]
    del words[: 1 if separator else 2]
    if option.kind == "many":
        found.setdefault(option.key, []).append(text)
    else:
        found[option.key] = text
    return True


def _place(arguments: Sequence[Argument], words: list[str], found: Words) -> bool:
    """Give the words to the arguments in their order; False if they do not fit."""
    rest = list(words)
    for index, argument in enumerate(arguments):
        if argument.many:
            keep = len(arguments) - index - 1
            taken = rest[: len(rest) - keep]
            found[argument.name], rest = taken, rest[len(taken) :]
            if not taken and not argument.optional:
                return False
        elif rest:
            found[argument.name] = rest.pop(0)
        elif not argument.optional:
            return False
    return not rest

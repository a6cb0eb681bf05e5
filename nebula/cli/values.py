"""From the words that a parser found to the values of an Invocation: the same for both parsers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nebula.cli.command import Command, Option, options_of
from nebula.cli.invocation import Invocation, Value, with_globals
from nebula.cli.options import GlobalOptions
from nebula.errors import UsageError


def invocation(command: Command, words: Mapping[str, Any], options: GlobalOptions) -> Invocation:
    """`words` holds None, bool, str or a sequence of str for each argument and option key."""
    values: dict[str, Value] = {}
    for argument in command.arguments:
        values[argument.name] = _many(words.get(argument.name)) if argument.many else str(words.get(argument.name) or "")
    for option in options_of(command):
        values[option.key] = _value(option, words.get(option.key))
    return Invocation(command, values, with_globals(options, values))


def globals_from(words: Mapping[str, Any], declared: Sequence[Option], options: GlobalOptions) -> GlobalOptions:
    """Global options that stood before or behind the noun."""
    return with_globals(options, {option.key: _value(option, words.get(option.key)) for option in declared})


def _value(option: Option, word: Any) -> Value:
    if option.kind == "flag":
        return bool(word)
    if option.kind == "many":
        return _many(word)
    text = "" if word is None else str(word)
    if not text:
        return option.default
    if option.choices and text not in option.choices:
        raise UsageError(f"{option.name} {text!r} is none of its values", hint=f"use one of: {', '.join(option.choices)}")
    return _integer(option, text) if option.kind == "integer" else text


def _integer(option: Option, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise UsageError(f"{option.name} {text!r} is not a whole number", hint=f"write {option.name} 10, for example")
    return int(text)


def _many(words: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(words or ())

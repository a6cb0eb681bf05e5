"""Conditions and columns as they are typed: `state=RUNNING memory>2G name~^web`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nebula.engine.api.columns import SOURCES, Column, Source
from nebula.engine.api.tables import Query
from nebula.errors import UsageError
from nebula.names import near
from nebula.units import parse_duration

if TYPE_CHECKING:
    from nebula.cli.invocation import Invocation

_CONDITION = r"(?s)\s*([A-Za-z_]\w*)\s*([!<>=~]+)\s*(.*)"
_OPERATORS = ("=", "!=", "<", ">", "<=", ">=", "~")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MACHINE = frozenset({"json", "jsonl", "yaml", "csv"})
_LONGEST = 1000
"""Characters in one condition."""


def query(line: Invocation, now: float) -> Query:
    """The query that a list command asks for; UsageError for columns and conditions that make no sense. Ages count from
    `now`.
    """
    noun = line.command.noun
    sort = tuple(name for name in line.text("sort").split(",") if name)
    known(noun, [name.removeprefix("-") for name in sort])
    return Query(
        columns=tuple(column.name for column in wanted(noun, line.text("columns"), line.text("format"))),
        filters=tuple(condition(noun, word, now) for word in line.texts("filters")),
        sort=sort,
        limit=line.number("limit", least=1) if line.has("limit") else 0,
        done=line.flag("done"),
    )


def wanted(noun: str, typed: str, format_name: str) -> list[Column]:
    """The columns to ask for: those typed, else the format's own set."""
    source = SOURCES[noun]
    names = [name.strip().lower() for name in typed.split(",") if name.strip()]
    if names:
        return known(noun, names)
    if format_name == "name":
        names = [column.name for column in source.columns]
        return known(noun, ["name" if "name" in names and noun != "job" else names[0]])
    wide = format_name in {"wide", "json", "jsonl", "yaml"}
    chosen = [column for column in source.columns if column.default or (wide and column.wide)]
    return _for_programs(source, chosen) if format_name in _MACHINE else chosen


def _for_programs(source: Source, chosen: list[Column]) -> list[Column]:
    """An age is a moment to a program: `created` stands for it."""
    created = next((column for column in source.columns if column.name == "created"), None)
    return [created if created and column.name == "age" else column for column in chosen]


def known(noun: str, names: Sequence[str]) -> list[Column]:
    """The columns of those names."""
    columns = {column.name: column for column in SOURCES[noun].columns}
    for name in names:
        if name not in columns:
            meant = [column.name for column in columns.values() if column.header.lower() == name.lower()] or near(name, columns)
            hint = f"did you mean {' or '.join(meant)}? " if meant else ""
            a = "an" if noun[0] in "aei" else "a"
            raise UsageError(f"{a} {noun} has no column {name[:60]!r}", hint=f"{hint}columns: {', '.join(columns)}")
    return [columns[name] for name in names]


def condition(noun: str, word: str, now: float) -> tuple[str, str, str]:
    """(column, operator, value) of one word; an age becomes the moment at which it began."""
    found = re.fullmatch(_CONDITION, word)
    if found is None or len(word) > _LONGEST:
        raise UsageError(
            f"{word[:80]!r} is not a condition", hint=f"write it like name={word[:40]}* or state=RUNNING, memory>2G"
        )
    name, operator, value = found[1].lower(), "=" if found[2] == "==" else found[2], found[3].rstrip()
    if operator not in _OPERATORS:
        raise UsageError(f"{found[2][:20]!r} in {word[:80]!r} is no comparison", hint=f"use one of {' '.join(_OPERATORS)}")
    column = known(noun, [name])[0]
    if column.show == "age" and operator != "~":
        return name, _mirrored(name, operator), repr(now - parse_duration(value))
    return name, operator, repr(_moment(value)) if column.show == "time" and operator != "~" else value


def _mirrored(name: str, operator: str) -> str:
    """Older than an hour is begun before an hour ago."""
    if operator not in _MIRRORED:
        raise UsageError(f"{name}{operator} compares a moving value", hint=f"write it like '{name}<1h' or '{name}>2d'")
    return _MIRRORED[operator]


def _moment(text: str) -> float:
    """Seconds since the epoch, from such seconds or a date with or without a time, in this machine's time zone."""
    from datetime import datetime

    try:
        return float(text) if text.isascii() and text.replace(".", "").isdigit() else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text[:40]!r} is no date", hint="write it like 2026-01-31 or '2026-01-31 14:00'") from error

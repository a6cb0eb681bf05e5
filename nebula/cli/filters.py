"""Conditions and columns as they are typed: `state=RUNNING memory>2G name~^web`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nebula.engine.api.columns import SOURCES, Column, Source
from nebula.engine.api.tables import Query
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.invocation import Invocation

_CONDITION = re.compile(r"([A-Za-z_]\w*)(!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)
_MACHINE = frozenset({"json", "jsonl", "yaml", "csv"})
_LONGEST = 1000
"""Characters in one condition."""


def query(line: Invocation) -> Query:
    """The query that a list command asks for; UsageError for columns and conditions that make no sense."""
    noun = line.command.noun
    sort = tuple(name for name in line.text("sort").split(",") if name)
    known(noun, [name.removeprefix("-") for name in sort])
    return Query(
        columns=tuple(column.name for column in wanted(noun, line.text("columns"), line.text("format"))),
        filters=tuple(condition(noun, word) for word in line.texts("filters")),
        sort=sort,
        limit=line.number("limit"),
        done=line.flag("done"),
    )


def wanted(noun: str, typed: str, format_name: str) -> list[Column]:
    """The columns to ask for: those typed, else the format's own set."""
    source = SOURCES[noun]
    names = [name.strip().lower() for name in typed.split(",") if name.strip()]
    if names:
        return known(noun, names)
    if format_name == "name":
        return known(noun, ["name" if noun != "job" else "id"])
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
            raise UsageError(f"a {noun} has no column {name!r}", hint=f"columns: {', '.join(columns)}")
    return [columns[name] for name in names]


def condition(noun: str, word: str) -> tuple[str, str, str]:
    """(column, operator, value) of one word."""
    found = _CONDITION.fullmatch(word)
    if found is None or len(word) > _LONGEST:
        raise UsageError(
            f"{word[:80]!r} is not a condition", hint=f"write it like name={word[:40]}* or state=RUNNING, memory>2G"
        )
    name, operator, value = found[1].lower(), found[2], found[3]
    known(noun, [name])
    return name, operator, value

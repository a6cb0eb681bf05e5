"""Lists: one statement, made of declared columns only; values that people typed are parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from nebula.engine.api.columns import SOURCES, Column, Source
from nebula.engine.api.tables import Listing, Query
from nebula.errors import UsageError

Filter = tuple[str, str, str]
Decode = Callable[[Column, str], Any]
_OPERATORS = {"=": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class Reads(Protocol):
    """Whatever can run a query."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        ...


def run(reads: Reads, noun: str, query: Query, decode: Decode) -> Listing:
    """The list. `decode` turns a typed filter value into the stored one ("RUNNING" -> 3003, "2G" -> 2048);
    raises UsageError for a column that there is not.
    """
    source = SOURCES[noun]
    chosen = columns(source, query.columns)
    late = [item for item in query.filters if item[1] == "~"]
    for column in columns(source, [item[0] for item in late]) if late else ():
        if column.show != "text":
            raise UsageError(f"column {column.name} holds no text to match", hint=f"{column.name}=VALUE")
    extra = [column for column in columns(source, [item[0] for item in late]) if column not in chosen] if late else []
    sql, parameters = statement(source, query, [*chosen, *extra], decode, paged=not late)
    rows = [list(row) for row in reads.rows(sql, parameters)]
    if late:
        rows = _late(rows, [*chosen, *extra], late, len(chosen))
        rows = rows[query.offset : query.offset + query.limit if query.limit else None]
    measured = reads.rows(source.as_of)[0][0] if source.as_of else 0.0
    return Listing(columns=tuple(column.name for column in chosen), rows=rows, as_of=float(measured or 0.0))


def columns(source: Source, names: Sequence[str]) -> list[Column]:
    """The columns of those names; the default set for none."""
    if not names:
        return [column for column in source.columns if column.default]
    table = {column.name: column for column in source.columns}
    unknown = [name for name in names if name not in table]
    if unknown:
        raise UsageError(
            f"{source.noun} has no column {unknown[0]!r}",
            hint=f"columns: {', '.join(column.name for column in source.columns)}",
        )
    return [table[name] for name in names]


def statement(source: Source, query: Query, chosen: Sequence[Column], decode: Decode, *, paged: bool) -> tuple[str, list[Any]]:
    """The SQL and its parameters."""
    conditions = [source.hidden] if source.hidden and not query.done else []
    parameters: list[Any] = []
    for name, operator, value in query.filters:
        if operator == "~":
            continue
        column = columns(source, [name])[0]
        text, found = _condition(column, operator, value, decode)
        conditions.append(text)
        parameters.extend(found)
    sql = f"SELECT {', '.join(column.sql for column in chosen)} FROM {source.table}"
    if conditions:
        sql += " WHERE " + " AND ".join(conditions)
    sql += " ORDER BY " + ", ".join([*_order(source, query.sort), f'"{source.noun}"."id"'])
    if paged and (query.limit or query.offset):
        sql += f" LIMIT {int(query.limit) or 1 << 62} OFFSET {int(query.offset)}"
    return sql, parameters


def _condition(column: Column, operator: str, value: str, decode: Decode) -> tuple[str, list[Any]]:
    if operator not in _OPERATORS:
        raise UsageError(f"{operator!r} is not a comparison", hint="use one of = != < > <= >= ~")
    if operator in {"=", "!="} and "*" in value and column.show == "text":
        pattern = value.replace("!", "!!").replace("%", "!%").replace("_", "!_").replace("*", "%")
        return f"COALESCE({column.sql}, '') {'NOT ' if operator == '!=' else ''}LIKE ? ESCAPE '!'", [pattern]
    return f"{column.sql} {_OPERATORS[operator]} ?", [decode(column, value)]


def _order(source: Source, names: Sequence[str]) -> list[str]:
    return [f"{columns(source, [name.lstrip('-')])[0].sql}{' DESC' if name.startswith('-') else ''}" for name in names]


def _late(rows: list[list[Any]], present: Sequence[Column], filters: Sequence[Filter], keep: int) -> list[list[Any]]:
    places = {column.name: index for index, column in enumerate(present)}
    tests = [(places[name], _pattern(value)) for name, _, value in filters]
    return [row[:keep] for row in rows if all(test.search(str(row[place] or "")) for place, test in tests)]


def _pattern(text: str) -> re.Pattern[str]:
    if len(text) > 200:
        raise UsageError("the regular expression is longer than 200 characters", hint="use a shorter one, or * patterns")
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"{text!r} is not a regular expression", cause=str(error), hint="quote it, or use * patterns"
        ) from error

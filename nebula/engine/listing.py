"""Lists: one statement, made of declared columns only; values that people typed are parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from nebula.engine.api.columns import SOURCES, TEXTS, Column, Source
from nebula.engine.api.tables import Listing, Query
from nebula.errors import UsageError

Filter = tuple[str, str, str]
Decode = Callable[[Column, str], Any]
_UNKNOWN_BELOW_ZERO = frozenset({"cpu", "mib", "bytes", "percent"})
"""What is shown so is stored as -1 while it is not known, and is not less than anything."""
_MOST_VALUES = 500
"""In one condition; SQLite nests no expression deeper than 1,000."""
_COUNTED = frozenset({"number", "cpu", "mib", "bytes"})
"""Columns of which a range like 3..7 may be asked for."""
_OPERATORS = {"=": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class Reads(Protocol):
    """Whatever can run a query."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        ...


def run(reads: Reads, noun: str, query: Query, decode: Decode, seen: tuple[str, Sequence[Any]] = ("1=1", ())) -> Listing:
    """The list of the rows for which the condition `seen` holds. `decode` turns a typed filter value into the stored one
    ("RUNNING" -> 3003, "2G" -> 2048); raises UsageError for a column that there is not.
    """
    source = SOURCES[noun]
    chosen = columns(source, query.columns)
    late = [item for item in query.filters if item[1] == "~"]
    for column in columns(source, [item[0] for item in late]) if late else ():
        if column.show not in TEXTS:
            raise UsageError(f"column {column.name} holds no text to match", hint=f"{column.name}=VALUE")
    extra = [column for column in columns(source, [item[0] for item in late]) if column not in chosen] if late else []
    sql, parameters = statement(source, query, [*chosen, *extra], decode, paged=not late, seen=seen)
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


def statement(
    source: Source,
    query: Query,
    chosen: Sequence[Column],
    decode: Decode,
    *,
    paged: bool,
    seen: tuple[str, Sequence[Any]] = ("1=1", ()),
) -> tuple[str, list[Any]]:
    """The SQL and its parameters."""
    conditions = [source.hidden] if source.hidden and not query.done else []
    parameters = list(seen[1])
    if parameters:
        conditions.append(seen[0])
    sorting = columns(source, [name.lstrip("-") for name in query.sort]) if query.sort else []
    used = [*chosen, *sorting]
    for name, operator, value in query.filters:
        if operator == "~":
            continue
        column = columns(source, [name])[0]
        text, found = _condition(column, operator, value, decode)
        used.append(column)
        conditions.append(text)
        parameters.extend(found)
    sql = f"SELECT {', '.join(column.sql for column in chosen)} FROM {source.table}{_joins(source, used)}"
    if conditions:
        sql += " WHERE " + " AND ".join(conditions)
    falling = " DESC" if source.newest_first and not query.sort else ""
    sql += " ORDER BY " + ", ".join([*_order(query.sort, sorting), f'"{source.noun}"."id"{falling}'])
    if paged and (query.limit or query.offset):
        sql += f" LIMIT {int(query.limit) or 1 << 62} OFFSET {int(query.offset)}"
    return sql, parameters


def _condition(column: Column, operator: str, value: str, decode: Decode) -> tuple[str, list[Any]]:
    """A comma separates values: of `=` any may hold, of `!=` all must."""
    if operator not in _OPERATORS:
        raise UsageError(f"{operator!r} is not a comparison", hint="use one of = != < > <= >= ~")
    values = [word.strip() for word in value.split(",")] if operator in {"=", "!="} else [value]
    if len(values) > _MOST_VALUES:
        raise UsageError(
            f"a condition on {column.name} has more than {_MOST_VALUES} values",
            cause=f"{len(values)} were given",
            hint="ask in parts",
        )
    texts, parameters = zip(*(_comparison(column, operator, word, decode) for word in values), strict=True)
    text = (" OR " if operator == "=" else " AND ").join(texts)
    return f"({text})" if len(values) > 1 else text, [item for found in parameters for item in found]


def _comparison(column: Column, operator: str, value: str, decode: Decode) -> tuple[str, list[Any]]:
    if operator in {"=", "!="} and "*" in value and column.show in TEXTS:
        pattern = value.replace("!", "!!").replace("%", "!%").replace("_", "!_").replace("*", "%")
        return f"COALESCE({column.sql}, '') {'NOT ' if operator == '!=' else ''}LIKE ? ESCAPE '!'", [pattern]
    if operator == "=" and not value:
        return f"COALESCE({column.sql}, '') = ''" if column.show in TEXTS else f"{column.sql} IS NULL", []
    if operator in {"=", "!="} and ".." in value and column.show in _COUNTED:
        ends = [decode(column, end) for end in value.split("..", 1)]
        between = f"{column.sql} BETWEEN ? AND ?"
        return between if operator == "=" else f"({column.sql} NOT BETWEEN ? AND ? OR {column.sql} IS NULL)", ends
    if operator == "=" and column.parts:
        first, second = column.parts
        return f"({first}=? AND {second}=?)", list(divmod(decode(column, value), 1000))
    text = f"{column.sql} {_OPERATORS[operator]} ?"
    if operator == "!=":
        text = f"({text} OR {column.sql} IS NULL)"
    elif operator in {"<", "<="} and column.show in _UNKNOWN_BELOW_ZERO:
        text = f"({text} AND {column.sql} >= 0)"
    return text, [decode(column, value)]


def _joins(source: Source, used: Sequence[Column]) -> str:
    needed = {column.join for column in used}
    return "".join(f" {sql}" for name, sql in source.joins if name in needed)


def _order(names: Sequence[str], sorting: Sequence[Column]) -> list[str]:
    return [f"{column.sql}{' DESC' if name.startswith('-') else ''}" for name, column in zip(names, sorting, strict=True)]


def _late(rows: list[list[Any]], present: Sequence[Column], filters: Sequence[Filter], keep: int) -> list[list[Any]]:
    from nebula.engine.patterns import compiled

    places = {column.name: index for index, column in enumerate(present)}
    tests = [(places[name], compiled(value)) for name, _, value in filters]
    return [row[:keep] for row in rows if all(test.search(str(row[place] or "")) for place, test in tests)]

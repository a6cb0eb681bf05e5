"""What a list asks the engine for: columns, and conditions as they are typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nebula.cli.filters import condition, known
from nebula.engine.api.columns import SOURCES, Column
from nebula.engine.api.tables import Query
from nebula.errors import UsageError
from nebula.tui.views import View

_OPERATORS = frozenset("=<>~!")
_WORD = {"job": "kind", "event": "kind", "drs": "cluster"}
"""The column that a bare word is looked for in, where it is not the name."""
MOST_KEYS = 400
"""Rows that are asked for by their keys; for more the list is asked for anew."""


class Fields(NamedTuple):
    """`columns` are asked for; `shown` are the places of those on the screen."""

    columns: tuple[Column, ...]
    shown: tuple[int, ...]

    def place(self, name: str) -> int | None:
        """Where a column is in a row."""
        return next((index for index, column in enumerate(self.columns) if column.name == name), None)


def key_name(noun: str) -> str:
    """The column that names a row."""
    return SOURCES[noun].columns[0].name


def fields(noun: str, chosen: Sequence[str]) -> Fields:
    """Those chosen (of none the default set), and what the dashboard needs itself: the key, the name, the state."""
    source = SOURCES[noun]
    names = [name for name in chosen if any(column.name == name for column in source.columns)]
    shown = known(noun, names) if names else [column for column in source.columns if column.default]
    needed = [column for column in source.columns if column.name in {key_name(noun), "name", "state"}]
    columns = tuple(dict.fromkeys([source.columns[0], *shown, *needed]))
    return Fields(columns, tuple(columns.index(column) for column in shown))


def conditions(noun: str, typed: str, now: float) -> tuple[tuple[str, str, str], ...]:
    """Of what was typed behind `/`: the command line's conditions; a bare word is looked for in the name."""
    try:
        words = shlex.split(typed)
    except ValueError as error:
        raise UsageError("a quotation mark is not closed") from error
    found = []
    for word in words:
        if _OPERATORS.isdisjoint(word):
            found.append((_WORD.get(noun, "name"), "=", f"*{word}*"))
        else:
            found.append(condition(noun, word, now))
    return tuple(found)


def may_become_condition(noun: str, typed: str) -> bool:
    """Whether the last word is the beginning of a column's name: perhaps more of it is to come."""
    last = typed.rpartition(" ")[2].lower()
    return bool(last) and any(column.name.startswith(last) for column in SOURCES[noun].columns)


def everything(view: View, wanted: Fields, filters: Iterable[tuple[str, str, str]]) -> Query:
    """All rows that the filter leaves."""
    found = tuple(filters)
    gone = any(name == "state" and "DONE" in value.upper() for name, _, value in found)
    return Query(columns=_names(wanted), filters=found, limit=view.most, done=gone and view.noun == "vm")


def these(view: View, wanted: Fields, filters: Iterable[tuple[str, str, str]], keys: Iterable[int]) -> Query:
    """The rows of these keys, if the filter leaves them."""
    condition_ = (key_name(view.noun), "=", ",".join(map(str, keys)))
    query = everything(view, wanted, filters)
    return query._replace(filters=(*query.filters, condition_))


def since(view: View, wanted: Fields, filters: Iterable[tuple[str, str, str]], key: int) -> Query:
    """Rows behind that key: what only grows."""
    query = everything(view, wanted, filters)
    return query._replace(filters=(*query.filters, (key_name(view.noun), ">", str(key))))


def _names(wanted: Fields) -> tuple[str, ...]:
    return tuple(column.name for column in wanted.columns)

"""From row types to SQL and back: statements are made once a type and kept; bodies travel as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from nebula import typed
from nebula.engine.store.rows.base import Row

R = TypeVar("R", bound=Row)
_encoder = msgspec.json.Encoder()
_decode = typed.decoder(Any)


def to_json(value: Any) -> str:
    """A body as JSON text."""
    return _encoder.encode(value).decode()


def from_json(text: str | bytes | None) -> Any:
    """JSON text as a value; an empty column is an empty object."""
    return _decode(text) if text else {}


class Mapping(Generic[R]):
    """How one row type is stored."""

    def __init__(self, kind: type[R]) -> None:
        hints = get_type_hints(kind)
        typed.know(kind)
        self.kind = kind
        self.table = kind._table
        self.columns: tuple[str, ...] = kind.__struct_fields__
        self.json = frozenset(name for name in self.columns if str(hints[name]).startswith("dict"))
        self._bodies = tuple(index for index, name in enumerate(self.columns) if name in self.json)
        names = ", ".join(f'"{name}"' for name in self.columns)
        self.select = f'SELECT {names} FROM "{self.table}"'
        stored = [name for name in self.columns if name != "id"]
        marks = ", ".join("?" * len(stored))
        self._stored_bodies = tuple(index for index, name in enumerate(stored) if name in self.json)
        self._attributes = attrgetter(*stored)
        self.insert = f'INSERT INTO "{self.table}" ({", ".join(_quoted(stored))}) VALUES ({marks})'
        self._marks = marks
        self._updates: dict[tuple[str, ...], str] = {}

    def load(self, values: Sequence[Any]) -> R:
        """A fetched tuple as a row: its columns come in the order of the row's fields (see Row)."""
        fields = list(values)
        for index in self._bodies:
            fields[index] = from_json(fields[index])
        return msgspec.convert(fields, self.kind)  # noqa: TID251 - a row type is known since its mapping was made

    def insert_many(self, rows: int) -> str:
        """The INSERT of so many rows."""
        return f"{self.insert}{f', ({self._marks})' * (rows - 1)}"

    def values(self, row: R) -> list[Any]:
        """What an insert sends: every column but the id."""
        values = list(self._attributes(row))
        for index in self._stored_bodies:
            values[index] = to_json(values[index])
        return values

    def encode(self, column: str, value: Any) -> Any:
        """One value as the database takes it."""
        return to_json(value) if column in self.json else value

    def update(self, columns: tuple[str, ...], *, versioned: bool) -> str:
        """UPDATE of those columns by id, with compare-and-swap for versioned rows."""
        found = self._updates.get(columns)
        if found is None:
            sets = ", ".join(f"{name}=?" for name in _quoted(columns))
            tail = ', "generation"="generation"+1 WHERE "id"=? AND "generation"=?' if versioned else ' WHERE "id"=?'
            found = self._updates[columns] = f'UPDATE "{self.table}" SET {sets}{tail}'
        return found


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


@lru_cache(maxsize=64)
def _mapping(kind: type[Row]) -> Mapping[Any]:
    return Mapping(kind)


def mapping(kind: type[R]) -> Mapping[R]:
    """The mapping of that row type."""
    return _mapping(kind)

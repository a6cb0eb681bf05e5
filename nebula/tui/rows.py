"""The rows of a list as they are now, by key and in order; knows no widget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

Row = Sequence[Any]
_NUMBERS = re.compile(r"(\d+)")


@lru_cache(maxsize=1 << 15)
def natural(text: str) -> tuple[Any, ...]:
    """A key by which web-2 comes before web-10."""
    parts = _NUMBERS.split(text.lower())
    return tuple((0, int(part), "") if index % 2 else (1, 0, part) for index, part in enumerate(parts) if part)


def _rank(value: Any) -> tuple[int, Any]:
    """Comparable with any other value's: numbers, then texts, then what is not there."""
    if value is None or value == "":
        return 2, 0
    return (1, natural(value)) if isinstance(value, str) else (0, value)


class Rows:
    """`key` is the column that names a row for good; the order is by `sort`, and by the key where that is the same."""

    def __init__(self, key: int = 0) -> None:
        self._key = key
        self._rows: dict[int, Row] = {}
        self._order: list[int] = []
        self._places: dict[int, int] = {}
        self.arranged = 0
        """How often the order became another one."""
        self.sort: int | None = None
        self.falling = False
        self.marked: set[int] = set()

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, key: int) -> bool:
        return key in self._rows

    @property
    def keys(self) -> Sequence[int]:
        """Keys in the order shown."""
        return self._order

    def row(self, key: int) -> Row:
        """The row of that key."""
        return self._rows[key]

    def at(self, place: int) -> Row | None:
        """The row in that line, None behind the last."""
        return self._rows[self._order[place]] if 0 <= place < len(self._order) else None

    def key_at(self, place: int) -> int | None:
        """Its key."""
        return self._order[place] if 0 <= place < len(self._order) else None

    def place(self, key: int | None) -> int | None:
        """In which line the row is, None if it is gone."""
        return None if key is None else self._places.get(key)

    def replace(self, rows: Iterable[Row]) -> set[int]:
        """These are all that there are; the keys of rows that are new or differ."""
        fresh = {int(row[self._key]): row for row in rows}
        changed = {key for key, row in fresh.items() if self._rows.get(key) != row}
        if changed or len(fresh) != len(self._rows):
            self._rows = fresh
            self.marked &= fresh.keys()
            self.arrange()
        return changed

    def update(self, asked: Iterable[int], rows: Iterable[Row]) -> set[int]:
        """What is known now of the keys that were asked for: those without a row are gone. Answers which changed."""
        found = {int(row[self._key]): row for row in rows}
        changed = {key for key, row in found.items() if self._rows.get(key) != row}
        gone = {key for key in asked if key not in found and key in self._rows}
        elsewhere = bool(gone) or any(self._stands_elsewhere(key, found[key]) for key in changed)
        for key in gone:
            del self._rows[key]
        self._rows.update((key, found[key]) for key in changed)
        self.marked -= gone
        if elsewhere:
            self.arrange()
        return changed | gone

    def _stands_elsewhere(self, key: int, row: Row) -> bool:
        """Whether the order may be another one with this row in the place of the one known."""
        before = self._rows.get(key)
        return before is None or (self.sort is not None and before[self.sort] != row[self.sort])

    def keep_newest(self, most: int) -> None:
        """Forget the rows of the lowest keys beyond that many."""
        for key in sorted(self._rows)[: max(0, len(self._rows) - most)]:
            del self._rows[key]
        self.arrange()

    def arrange(self) -> None:
        """Put the rows in order."""
        rows, column = self._rows, self.sort
        order = sorted(rows, reverse=self.falling and column is None)
        if column is not None:
            order.sort(key=lambda key: _rank(rows[key][column]), reverse=self.falling)
        if order == self._order:
            return
        self.arranged += 1
        self._order = order
        self._places = {key: place for place, key in enumerate(order)}

    def mark_between(self, first: int, last: int) -> None:
        """Mark the rows in these lines and all between."""
        low, high = sorted((first, last))
        self.marked |= set(self._order[low : high + 1])

    def chosen(self, cursor: int | None) -> list[int]:
        """What a verb is about: the marked rows in their order, else the one under the cursor."""
        if self.marked:
            return [key for key in self._order if key in self.marked]
        return [cursor] if cursor is not None and cursor in self._rows else []

"""The newest figures of every object, in memory: the last minutes as they were measured, and the slot that is being filled."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Iterable

from nebula.engine.metrics.kinds import METRICS, Row

KEPT = 60
"""Rows of an object that are kept: ten minutes at 10 s."""
SLOT = 300
"""Seconds of a slot of the roll-ups."""
_LATE = 6
"""Slots that a measurement may be late, because its look took so long; one that is older means that the clock was set back."""


class Series:
    """The last KEPT rows of one object, and sums and maxima of the present slot."""

    __slots__ = ("_at", "_count", "_counts", "_maxima", "_sums", "_values", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self._values = array("f", bytes(4 * KEPT * width))
        self._at = array("d", bytes(8 * KEPT))
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """A new slot."""
        self._sums = [0.0] * self.width
        self._maxima = [math.nan] * self.width
        self._counts = [0] * self.width

    def add(self, at: float, row: Row) -> None:
        """One more measurement; `at` in seconds since the epoch."""
        index = self._count % KEPT
        self._at[index] = at
        self._values[index * self.width : (index + 1) * self.width] = array("f", row)
        self._count += 1
        for number, value in enumerate(row):
            if not math.isnan(value):
                self._sums[number] += value
                self._counts[number] += 1
                if not value <= self._maxima[number]:
                    self._maxima[number] = value

    def rows(self) -> list[tuple[float, Row]]:
        """(time, row), oldest first."""
        first = max(0, self._count - KEPT)
        return [(self._at[index % KEPT], self._row(index % KEPT)) for index in range(first, self._count)]

    def last(self) -> tuple[float, Row] | None:
        """The newest one."""
        if not self._count:
            return None
        index = (self._count - 1) % KEPT
        return self._at[index], self._row(index)

    def raw(self) -> tuple[bytes, bytes]:
        """KEPT times as 64-bit floats (0: never) and as many rows as 32-bit floats, in any order."""
        return self._at.tobytes(), self._values.tobytes()

    def slot(self) -> tuple[Row, Row] | None:
        """(means, maxima) of the present slot; None without a measurement."""
        if not any(self._counts):
            return None
        means = tuple(total / count if count else math.nan for total, count in zip(self._sums, self._counts, strict=True))
        return means, tuple(self._maxima)

    def _row(self, index: int) -> Row:
        return tuple(self._values[index * self.width : (index + 1) * self.width])


class Slot:
    """What a finished slot holds of one kind of object: `means` and `maxima` have a column a metric."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at = kind, at
        self.ids: list[int] = []
        self.means: list[list[float]] = [[] for _ in METRICS[kind]]
        self.maxima: list[list[float]] = [[] for _ in METRICS[kind]]

    def add(self, number: int, means: Row, maxima: Row) -> None:
        """One object's."""
        self.ids.append(number)
        for column, value in zip(self.means, means, strict=True):
            column.append(value)
        for column, value in zip(self.maxima, maxima, strict=True):
            column.append(value)


class RecentFigures:
    """All objects' figures. `finished` is called, outside the lock, with the slots that just ended. Thread-safe."""

    def __init__(self, finished: Callable[[list[Slot]], None]) -> None:
        self._finished = finished
        self._lock = threading.Lock()
        self._series: dict[tuple[str, int], Series] = {}
        self._slot = 0

    def add(self, at: float, rows: Iterable[tuple[str, int, Row]]) -> None:
        """Rows of (kind, id) measured at `at`, seconds since the epoch."""
        with self._lock:
            ended = self._turn(int(at) // SLOT)
            for kind, number, row in rows:
                series = self._series.get((kind, number))
                if series is None:
                    series = self._series[kind, number] = Series(len(METRICS[kind]))
                series.add(at, row)
        if ended:
            self._finished(ended)

    def _turn(self, slot: int) -> list[Slot]:
        """What ended with the begin of `slot`. What was silent in it is forgotten."""
        if self._slot - _LATE <= slot <= self._slot:
            return []
        if slot < self._slot:
            self._begin_again(slot)
            return []
        ended = {kind: Slot(kind, self._slot * SLOT) for kind in METRICS}
        for (kind, number), series in sorted(self._series.items()):
            found = series.slot()
            if found is None:
                del self._series[kind, number]
                continue
            ended[kind].add(number, *found)
            series.reset()
        self._slot = slot
        return [found for found in ended.values() if found.ids]

    def _begin_again(self, slot: int) -> None:
        """The clock was set back: nobody knows any more when the slot under way began."""
        self._slot = slot
        for series in self._series.values():
            series.reset()

    def last(self, kind: str, number: int) -> tuple[float, Row] | None:
        """The newest row of an object with its time; None: nothing was measured."""
        with self._lock:
            series = self._series.get((kind, number))
            return series.last() if series else None

    def rows(self, kind: str, number: int) -> list[tuple[float, Row]]:
        """What is kept of an object, oldest first."""
        with self._lock:
            series = self._series.get((kind, number))
            return series.rows() if series else []

    def raw(self, kind: str, numbers: Iterable[int]) -> dict[int, tuple[bytes, bytes]]:
        """What is kept of many objects, as they are kept: see Series.raw."""
        with self._lock:
            found = {number: self._series.get((kind, number)) for number in numbers}
            return {number: series.raw() for number, series in found.items() if series}

    def newest(self, kind: str) -> dict[int, tuple[float, Row]]:
        """The newest row of every object of a kind."""
        with self._lock:
            found = {number: series.last() for (of, number), series in self._series.items() if of == kind}
        return {number: last for number, last in found.items() if last is not None}

    def forget(self, kind: str, numbers: Iterable[int]) -> None:
        """Objects that are gone."""
        with self._lock:
            for number in numbers:
                self._series.pop((kind, number), None)

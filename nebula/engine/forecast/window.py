"""The last days of many series side by side, and what is read off them at a moment: levels, spreads, the same hour before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nebula.engine.forecast.quantile import Floats

Singles = NDArray[np.float32]
Rows = slice | NDArray[np.int64]
ALL = slice(None)
HORIZON = 12
"""Slots of the coming hour."""
DAY = 288
"""Slots of a day, at 5 minutes."""
KEPT = 3 * DAY + HORIZON
"""Slots that are kept of each series."""
SHORT = 36
"""Slots of the longest recent level."""
RECENT = ("last", "mean3", "mean12", "mean36", "max12", "max36", "high36", "sd12", "one")
DAILY = ("yesterday", "usual", "highest")
"""At this hour of former days: yesterday, the median of the days that are kept, their highest."""


class Window:
    """KEPT slots of N series; what was not measured repeats what was measured before it.

    A ring of slots: one more slot overwrites the oldest, so it costs the series that there are, however many slots are kept.
    """

    def __init__(self) -> None:
        self._ring: Singles = np.zeros((KEPT, 0), dtype=np.float32)
        self._oldest = 0
        self.known = np.zeros(0, dtype=np.int64)
        """(N,): for how many slots each series is known."""
        self.slots = 0

    @property
    def series(self) -> int:
        """N."""
        return len(self.known)

    def grow(self, count: int) -> None:
        """So many more series, of which nothing is known."""
        self._ring = np.concatenate([self._ring, np.zeros((KEPT, count), dtype=np.float32)], axis=1)
        self.known = np.concatenate([self.known, np.zeros(count, dtype=np.int64)])

    def keep(self, rows: Sequence[int]) -> None:
        """Only these series, in this order."""
        self._ring = np.ascontiguousarray(self._ring[:, list(rows)])
        self.known = self.known[list(rows)]

    def push(self, values: Floats) -> None:
        """(N,): the values of one more slot; NaN: not measured."""
        missing = np.isnan(values)
        first = (self.known == 0) & ~missing
        self._ring[self._oldest] = np.where(missing, self._ring[self._oldest - 1], values)
        if first.any():
            self._ring[:, first] = values[first]
        self._oldest = (self._oldest + 1) % KEPT
        self.known += (self.known > 0) | first
        self.slots += 1

    def load(self, values: Singles) -> None:
        """(KEPT, N), the newest last, NaN where nothing was measured: in place of all that was known. It is taken over."""
        self.known = np.zeros(values.shape[1], dtype=np.int64)
        newest = np.zeros(values.shape[1], dtype=np.float32)
        for slot in values:
            missing = np.isnan(slot)
            newest = np.where(missing, newest, slot)
            slot[:] = newest
            self.known += (self.known > 0) | ~missing
        young = np.flatnonzero((self.known > 0) & (self.known < KEPT))
        for row in young:
            values[: KEPT - self.known[row], row] = values[KEPT - self.known[row], row]
        self._ring, self._oldest, self.slots = values, 0, int(self.known.max(initial=0))

    def span(self, back: int, count: int, rows: Rows = ALL) -> Singles:
        """(count, M): the slots of series up to `back` slots ago, the newest last; fewer where no more are kept."""
        end = KEPT - back
        places = (np.arange(max(0, end - count), end) + self._oldest) % KEPT
        if isinstance(rows, slice):
            return self._ring[places][:, rows]
        return self._ring[places[:, None], rows[None]]

    def inputs(self, rows: Rows, back: int, names: Sequence[str]) -> Floats:
        """(M, P): what was known of series `back` slots ago, a column a name."""
        return features(self.span(back, SHORT, rows), self._days(rows, back, names), names)

    def _days(self, rows: Rows, back: int, names: Sequence[str]) -> list[Singles]:
        """The coming hour's slots on each former day that is kept."""
        if not any(name in DAILY for name in names):
            return []
        days = range(1, KEPT // DAY + 1)
        return [self.former(rows, back, day) for day in days if KEPT - back - day * DAY >= 0]

    def former(self, rows: Rows, back: int, days: int) -> Singles:
        """(HORIZON, M): the hour that came after that moment, so many days before."""
        return self.span(back + days * DAY - HORIZON, HORIZON, rows)


def features(recent: Singles, days: Sequence[Singles], names: Sequence[str]) -> Floats:
    """(M, P) from the last slots (36, M) and the hour that comes on former days, each (12, M)."""
    tops = np.stack([day.max(axis=0) for day in days]) if days else None
    found = np.empty((recent.shape[1], len(names)))
    for column, name in enumerate(names):
        found[:, column] = _feature(name, recent, tops)
    return found


def _feature(name: str, recent: Singles, tops: Singles | None) -> Any:
    """`tops`: (days, M), the highest slot of the hour on former days."""
    if name == "one":
        return 1.0
    if name == "last":
        return recent[-1]
    if name == "sd12":
        return recent[-12:].std(axis=0)
    if name == "high36":
        return np.partition(recent, int(0.9 * (len(recent) - 1)), axis=0)[int(0.9 * (len(recent) - 1))]
    if name.startswith("mean"):
        return recent[-int(name[4:]) :].mean(axis=0)
    if name.startswith("max"):
        return recent[-int(name[3:]) :].max(axis=0)
    assert tops is not None  # noqa: S101 - whoever asks for former days brings them
    if name == "yesterday":
        return tops[0]
    return np.median(tops, axis=0) if name == "usual" else tops.max(axis=0)

"""Roll-ups as arrays: which series is whose, and days of slots side by side."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nebula.engine.forecast.window import KEPT, Singles

Ints = NDArray[np.int64]


class Roster:
    """Which row of the arrays is whose."""

    def __init__(self, ids: Sequence[int] = ()) -> None:
        self.ids = list(ids)
        self.row = {number: row for row, number in enumerate(self.ids)}
        self._asked: array[int] | None = None
        self._answer: Ints = np.zeros(0, dtype=np.int64)

    def rows(self, ids: array[int]) -> Ints:
        """The row of each; those that are not known get new ones, behind the others."""
        if ids != self._asked:
            for number in ids:
                if number not in self.row:
                    self.row[number] = len(self.ids)
                    self.ids.append(number)
            self._asked, self._answer = ids, np.fromiter((self.row[number] for number in ids), np.int64, len(ids))
        return self._answer


class Past:
    """Up to KEPT slots that end with `newest`, of several metrics; NaN: not measured."""

    def __init__(self, newest: int, metrics: int) -> None:
        self.roster = Roster()
        self._newest = newest
        self._grids: list[Singles] = [np.full((KEPT, 0), np.nan, dtype=np.float32) for _ in range(metrics)]
        self._last: Ints = np.zeros(0, dtype=np.int64)

    def put(self, slot: int, ids: array[int], values: Sequence[Singles]) -> None:
        """One slot: a column a metric with a value an id."""
        rows = self.roster.rows(ids)
        self._make_room(len(self.roster.ids))
        place = KEPT - 1 - (self._newest - slot)
        if 0 <= place < KEPT:
            for grid, column in zip(self._grids, values, strict=True):
                grid[place, rows] = column
            self._last[rows] = slot

    def _make_room(self, count: int) -> None:
        """A quarter more than there was, so that growing costs each series some times at most."""
        there = len(self._last)
        if count <= there:
            return
        more = max(count, there + there // 4) - there
        fresh = np.full((KEPT, more), np.nan, dtype=np.float32)
        self._grids = [np.concatenate([grid, fresh], axis=1) for grid in self._grids]
        self._last = np.concatenate([self._last, np.zeros(more, dtype=np.int64)])

    def silent(self) -> Ints:
        """(N,): for how many slots each series was not measured."""
        return np.asarray(self._newest - self._last[: len(self.roster.ids)])

    def take(self, metric: int) -> Singles:
        """(KEPT, N) of a metric, the newest slot last; it is given away, as thousands of VMs take some 10 MB a metric."""
        found = self._grids[metric]
        self._grids[metric] = np.zeros((0, 0), dtype=np.float32)
        return np.ascontiguousarray(found[:, : len(self.roster.ids)])

"""What VMs will use in the coming hour, from their roll-ups: the planner's way to the forecasts."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist

import numpy as np

from nebula.engine.drs.outlook import Expected, Outlook
from nebula.engine.drs.values import Figures
from nebula.engine.forecast.hour import HourAhead
from nebula.engine.forecast.past import Ints, Past, Roster
from nebula.engine.forecast.window import ALL, DAY, HORIZON, KEPT, Singles
from nebula.engine.metrics.kinds import place
from nebula.engine.metrics.recent import SLOT
from nebula.engine.metrics.rollup import blocks, newest
from nebula.engine.store.transaction import Queries

_SUMS: dict[str, tuple[str, ...]] = {
    "cpu": ("cpu", "cpu_wait"),
    "memory": ("memory",),
    "disk": ("disk_read", "disk_write"),
    "network": ("net_rx", "net_tx"),
}
"""Which measured figures make a metric of the planner."""
_READ = tuple(name for names in _SUMS.values() for name in names)
_COLUMNS = tuple(place("vm", name) for name in _READ)
_PEAK = NormalDist().inv_cdf(0.9)
"""The forecast peak is the .9 quantile: so many standard deviations above the mean."""
_SILENT = DAY
"""Slots without a measurement after which a VM is forgotten."""
_ANEW = DAY // 4
"""Slots that are caught up with one by one; where more are missing, all is learned anew, which costs less."""


class Ahead:
    """Forecasts of all VMs, brought up to date when they are asked for: each roll-up is read once. Thread-safe.

    A VM takes 14 KB: three days of four metrics in slots of 5 minutes. Once `stopped` says so, nothing more is read: days of
    thousands of VMs take seconds, and an engine that ends does not wait for them.
    """

    def __init__(
        self, read: Callable[[], Queries], measured: Outlook, seed: int = 0, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._read, self._measured, self._stopped = read, measured, stopped
        self._lock = threading.Lock()
        self._roster = Roster()
        self._silent: Ints = np.zeros(0, dtype=np.int64)
        self._slot = 0
        self._hours = {metric: HourAhead(seed=seed) for metric in _SUMS}

    def expected(self, vms: Iterable[int], now: float) -> dict[int, Expected]:
        """See Outlook.expected. What is measured this minute wins where it is beyond what was thought possible."""
        wanted = list(vms)
        present = self._measured.expected(wanted, now)
        with self._lock:
            self._catch_up(now)
            coming = self._coming(wanted)
        return {vm: found for vm in wanted if (found := _joined(coming.get(vm), present.get(vm))) is not None}

    def _coming(self, vms: Sequence[int]) -> dict[int, Expected]:
        """Of the VMs that are known for an hour; and what they used in it."""
        known = self._hours["cpu"].window.known
        ids = [vm for vm in vms if vm in self._roster.row and known[self._roster.row[vm]] >= HORIZON]
        rows = np.array([self._roster.row[vm] for vm in ids], dtype=np.int64)
        means = np.stack([hour.expect("mean")[rows] for hour in self._hours.values()], axis=1)
        peaks = np.stack([hour.expect("peak")[rows] for hour in self._hours.values()], axis=1)
        spreads = np.maximum(0.0, peaks - means) / _PEAK
        lately = self._hours["cpu"].window.span(0, HORIZON, ALL)[:, rows].T
        columns = zip(ids, means.tolist(), spreads.tolist(), lately.tolist(), strict=True)
        return {vm: Expected(Figures(*mean), Figures(*spread), tuple(used)) for vm, mean, spread, used in columns}

    def _catch_up(self, now: float) -> None:
        """Read the roll-ups that are new; after the clock was set back, those from now on."""
        present = int(now) // SLOT
        if self._slot > present:
            self._slot = present - 1
        last = int(newest(self._read(), "vm", step=SLOT, until=now)) // SLOT
        if last - self._slot > _ANEW and not self._begin_anew(last, now):
            return
        since = max(self._slot * SLOT + 1, now - KEPT * SLOT)
        for block, ids, columns in blocks(self._read(), "vm", since=since, step=SLOT, wanted=_COLUMNS):
            if self._stopped():
                return
            if block.at <= now:
                self._observe(int(block.at) // SLOT, ids, _summed(columns))
        self._forget()

    def _begin_anew(self, last: int, now: float) -> bool:
        """All that is kept at once, up to slot `last`; whether that came to its end."""
        past = Past(last, len(_SUMS))
        for block, ids, columns in blocks(self._read(), "vm", since=now - KEPT * SLOT, step=SLOT, wanted=_COLUMNS):
            if self._stopped():
                return False
            if block.at <= now:
                past.put(int(block.at) // SLOT, ids, _summed(columns))
        for metric, hour in enumerate(self._hours.values()):
            hour.load(past.take(metric), self._stopped)
        self._roster, self._silent, self._slot = past.roster, past.silent(), last
        return True

    def _observe(self, slot: int, ids: array[int], values: Sequence[Singles]) -> None:
        rows = self._roster.rows(ids)
        fresh = len(self._roster.ids) - len(self._silent)
        if fresh:
            self._silent = np.concatenate([self._silent, np.zeros(fresh, dtype=np.int64)])
            for hour in self._hours.values():
                hour.grow(fresh)
        missed = slot - self._slot - 1 if self._slot else 0
        for _ in range(min(missed, KEPT)):
            if not self._stopped():
                self._push(rows[:0], [column[:0] for column in values])
        self._slot = slot
        self._push(rows, values)

    def _push(self, rows: Ints, values: Sequence[Singles]) -> None:
        for hour, column in zip(self._hours.values(), values, strict=True):
            whole = np.full(len(self._silent), np.nan)
            whole[rows] = column
            hour.observe(whole)
        self._silent += 1
        self._silent[rows] = 0

    def _forget(self) -> None:
        kept = np.flatnonzero(self._silent < _SILENT).tolist()
        if len(kept) == len(self._silent):
            return
        self._roster = Roster([self._roster.ids[row] for row in kept])
        self._silent = self._silent[kept]
        for hour in self._hours.values():
            hour.keep(kept)


def _summed(columns: Sequence[array[float]]) -> list[Singles]:
    """A column a metric of the planner."""
    found = {name: np.frombuffer(column, dtype=np.float32) for name, column in zip(_READ, columns, strict=True)}
    return [np.sum([found[name] for name in names], axis=0) for names in _SUMS.values()]


def _joined(coming: Expected | None, present: Expected | None) -> Expected | None:
    """The forecast, metric by metric, unless what happens now is above the peak that it gives; the present is the newest of
    what was used lately.
    """
    if coming is None or present is None:
        return coming or present
    means, spreads = [], []
    for mean, spread, now, jitter in zip(coming.mean, coming.spread, present.mean, present.spread, strict=True):
        surprise = now > mean + _PEAK * spread
        means.append(now if surprise else mean)
        spreads.append(max(jitter, spread) if surprise else spread)
    return Expected(Figures(*means), Figures(*spreads), (*coming.history[1:], present.mean.cpu))

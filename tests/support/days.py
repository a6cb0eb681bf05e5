"""Three days of VMs' or hosts' roll-ups, made up: what forecasts and charts are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from nebula.engine.metrics.kinds import METRICS, ObjectKind, place
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.metrics.rollup import write
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction

DAY = 288
"""Slots of a day."""
_DAYS, _KEPT = 3, 30
_LITTLE = 0.1
Use = Callable[[int, int], float]
"""(VM or host, slots from now, 0 or less): hundredths of a core."""


def keep(
    store: Store, ids: Iterable[int], use: Use, *, memory: float = _LITTLE, kind: ObjectKind = "vm", now: float = 0.0
) -> None:
    """As if they had been measured for three days, up to now (of 0: the machine's); `memory` in MiB, hardly any of the rest."""
    last, known = int(now or time.time()) // SLOT - 1, sorted(ids)
    figures = {place(kind, "memory"): memory}

    def work(tx: Transaction) -> None:
        for slot in range(last - _DAYS * DAY, last + 1):
            made = Slot(kind, slot * SLOT)
            for number in known:
                figures[place(kind, "cpu")] = use(number, slot - last)
                row = tuple(figures.get(metric, _LITTLE) for metric in range(len(METRICS[kind])))
                made.add(number, row, row)
            write(tx, [made], fine_days=_KEPT, hourly_days=_KEPT)

    store.write(work)


def daily(hours_from_now: float, busy: float, idle: float = 4.0) -> Use:
    """Everybody is busy for an hour a day, which comes again so soon."""
    begin = int(hours_from_now * 12)
    return lambda vm, slot: busy if (slot - begin) % DAY < 12 else idle

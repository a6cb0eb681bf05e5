"""Three days of VMs' roll-ups, made up: what forecasts are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from nebula.engine.metrics.kinds import METRICS, place
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.metrics.rollup import write
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction

DAY = 288
"""Slots of a day."""
_DAYS, _KEPT = 3, 30
_LITTLE = 0.1
Use = Callable[[int, int], float]
"""(VM, slots from now, 0 or less): hundredths of a core."""


def keep(store: Store, vms: Iterable[int], use: Use, *, memory: float = _LITTLE) -> None:
    """As if the VMs had been measured for three days, up to now; `memory` in MiB, and hardly anything of the rest."""
    last, ids = int(time.time()) // SLOT - 1, sorted(vms)
    figures = {place("vm", "memory"): memory}

    def work(tx: Transaction) -> None:
        for slot in range(last - _DAYS * DAY, last + 1):
            made = Slot("vm", slot * SLOT)
            for vm in ids:
                figures[place("vm", "cpu")] = use(vm, slot - last)
                row = tuple(figures.get(metric, _LITTLE) for metric in range(len(METRICS["vm"])))
                made.add(vm, row, row)
            write(tx, [made], fine_days=_KEPT, hourly_days=_KEPT)

    store.write(work)


def daily(hours_from_now: float, busy: float, idle: float = 4.0) -> Use:
    """Everybody is busy for an hour a day, which comes again so soon."""
    begin = int(hours_from_now * 12)
    return lambda vm, slot: busy if (slot - begin) % DAY < 12 else idle

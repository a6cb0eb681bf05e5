"""What forecasts cost an engine: the first after a start, out of three days of roll-ups; the next; and what is measured now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchkit.figure import Figure
from nebula.clock import SystemClock
from nebula.engine.drs.outlook import Measured, Outlook
from nebula.engine.forecast.outlook import Ahead
from nebula.engine.forecast.window import KEPT
from nebula.engine.metrics.codec import pack
from nebula.engine.metrics.kinds import VM
from nebula.engine.metrics.recent import KEPT as ROWS
from nebula.engine.metrics.recent import SLOT, RecentFigures
from nebula.engine.store import schema
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import RollupRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction

SIZES = (1000, 10_000)
_TARGETS = 8
"""Mean and peak of four metrics."""
_SHAPES = 24
"""Slots that differ; they come again and again."""
_FIRST = 1_000_000
_FIRST_NAME = "the first forecast after a start, out of three days"


def figures(scratch: Path, seed: int) -> Iterator[Figure]:
    """Both sizes; the figures of the larger have those of the smaller beside them."""
    smaller: dict[str, float] = {}
    for vms in SIZES:
        for name, seconds in _taken(scratch / f"forecast-{vms}", vms, seed).items():
            beside = f"{smaller[name]:.3f} s at {SIZES[0]} VMs; {SIZES[1] // SIZES[0]} times the VMs" if name in smaller else ""
            smaller.setdefault(name, seconds)
            yield Figure(f"{name}, {vms} VMs: processor", "s", [seconds], beside)
            if name != _FIRST_NAME:
                yield Figure(f"{name}, {vms} VMs: a series and forecast", "µs", [seconds / vms / _TARGETS * 1e6], "goal 20")


def _taken(home: Path, vms: int, seed: int) -> dict[str, float]:
    home.mkdir(parents=True)
    location = parse_url("", home)
    schema.prepare(location, put_aside=lambda: None)
    store = Store(location, SystemClock())
    try:
        random = np.random.default_rng(seed)
        shapes = [_shape(random, vms) for _ in range(_SHAPES)]
        _write(store, shapes, vms, _FIRST, KEPT)
        now = (_FIRST + KEPT) * SLOT
        measured = Measured(_recent(random, vms, now))
        ahead = Ahead(store.read, measured, seed=seed)
        found = {_FIRST_NAME: _processor(ahead, vms, now)}
        _write(store, shapes, vms, _FIRST + KEPT, 1)
        found["the next, a slot later"] = _processor(ahead, vms, now + SLOT)
        found["what is measured now"] = _processor(measured, vms, now)
        return found
    finally:
        store.close()


def _processor(outlook: Outlook, vms: int, now: float) -> float:
    began = time.process_time()
    found = outlook.expected(range(1, vms + 1), now)
    taken = time.process_time() - began
    if len(found) != vms:
        raise RuntimeError(f"{len(found)} forecasts for {vms} VMs")
    return taken


def _shape(random: np.random.Generator, vms: int) -> bytes:
    columns = [random.gamma(2.0, 20.0, vms).tolist() for _ in range(2 * len(VM))]
    return pack(range(1, vms + 1), columns)


def _write(store: Store, shapes: list[bytes], vms: int, first: int, count: int) -> None:
    def work(tx: Transaction) -> None:
        for slot in range(first, first + count):
            data = shapes[slot % len(shapes)]
            tx.insert(RollupRow(kind="vm", at=float(slot * SLOT), step=SLOT, count=vms, data=data))

    store.write(work)


def _recent(random: np.random.Generator, vms: int, now: float) -> RecentFigures:
    nobody: Callable[[object], None] = lambda _slots: None  # noqa: E731 - no slot ends here
    recent = RecentFigures(nobody)
    row = tuple(random.gamma(2.0, 20.0, len(VM)).tolist())
    for number in range(ROWS):
        recent.add(now - (ROWS - number) * 4.0, (("vm", vm, row) for vm in range(1, vms + 1)))
    return recent

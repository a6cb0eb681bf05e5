"""Forecasts from roll-ups: gaps, a clock that is set back, VMs that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.clock import SystemClock
from nebula.engine.drs.outlook import Measured
from nebula.engine.forecast.outlook import Ahead
from nebula.engine.metrics.kinds import VM
from nebula.engine.metrics.recent import SLOT, RecentFigures, Slot
from nebula.engine.metrics.rollup import write
from nebula.engine.store import schema
from nebula.engine.store.database import parse_url
from nebula.engine.store.store import Store

FIRST = 1_000_000
"""A slot's number."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = parse_url("", tmp_path)
    schema.prepare(location, put_aside=lambda: pytest.fail("nothing to put aside"))
    made = Store(location, SystemClock())
    yield made
    made.close()


@pytest.fixture
def ahead(store: Store) -> Ahead:
    return Ahead(store.read, Measured(RecentFigures(lambda _: None)))


def keep(store: Store, first: int, count: int, values: dict[int, float]) -> None:
    """So many slots with the same figures."""
    made = []
    for number in range(first, first + count):
        slot = Slot("vm", number * SLOT)
        for vm, value in sorted(values.items()):
            slot.add(vm, tuple([value] * len(VM)), tuple([value] * len(VM)))
        made.append(slot)
    store.write(lambda tx: write(tx, made, fine_days=1e5, hourly_days=1e5))


def test_after_a_gap_and_with_a_vm_that_came_it_goes_on(store: Store, ahead: Ahead) -> None:
    keep(store, FIRST, 20, {1: 10.0})
    assert ahead.expected([1, 2], (FIRST + 20) * SLOT)[1].mean.memory == pytest.approx(10.0, rel=0.02)
    keep(store, FIRST + 60, 20, {1: 10.0, 2: 40.0})
    found = ahead.expected([1, 2, 3], (FIRST + 80) * SLOT)
    assert found.keys() == {1, 2}
    assert [found[vm].mean.memory for vm in (1, 2)] == pytest.approx([10.0, 40.0], rel=0.02)


def test_what_is_silent_for_a_day_is_forgotten(store: Store, ahead: Ahead) -> None:
    keep(store, FIRST, 20, {1: 10.0, 2: 20.0})
    keep(store, FIRST + 320, 1, {2: 20.0})
    assert ahead.expected([1, 2], (FIRST + 321) * SLOT).keys() == {2}


def test_a_clock_that_is_set_back_does_not_silence_the_forecasts(store: Store, ahead: Ahead) -> None:
    keep(store, FIRST, 20, {1: 10.0})
    ahead.expected([1], (FIRST + 20) * SLOT)
    back = FIRST - 5000
    ahead.expected([1], back * SLOT)
    keep(store, back, 40, {1: 90.0})
    assert ahead.expected([1], (back + 40) * SLOT)[1].mean.memory == pytest.approx(90.0, rel=0.1)


def test_an_engine_that_ends_does_not_wait_for_days_of_figures(store: Store) -> None:
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 15

    ahead = Ahead(store.read, Measured(RecentFigures(lambda _: None)), stopped=stopped)
    keep(store, FIRST, 40, {1: 10.0})
    ahead.expected([1], (FIRST + 40) * SLOT)
    assert len(asked) == 16, "what was left is not read"


def test_an_engine_that_starts_knows_of_those_that_came_and_went_meanwhile(store: Store, ahead: Ahead) -> None:
    keep(store, FIRST, 30, {1: 10.0, 3: 5.0})
    keep(store, FIRST + 30, 20, {1: 10.0, 2: 40.0, 3: 5.0})
    keep(store, FIRST + 60, 300, {1: 10.0, 2: 40.0})
    now = (FIRST + 360) * SLOT
    found = ahead.expected([1, 2, 3], now)
    assert found.keys() == {1, 2}, "what was silent for a day is forgotten"
    assert [found[vm].mean.memory for vm in (1, 2)] == pytest.approx([10.0, 40.0], rel=0.02)
    assert found[2].history == pytest.approx([80.0] * 12, rel=0.02), "what was used and what was waited for"
    keep(store, FIRST + 360, 1, {1: 10.0, 2: 40.0, 4: 7.0})
    assert ahead.expected([2], now + SLOT)[2].mean.memory == pytest.approx(40.0, rel=0.02)


def test_each_roll_up_is_read_once(store: Store) -> None:
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return False

    ahead = Ahead(store.read, Measured(RecentFigures(lambda _: None)), stopped=stopped)
    keep(store, FIRST, 40, {1: 10.0})
    ahead.expected([1], (FIRST + 40) * SLOT)
    first = len(asked)
    ahead.expected([1], (FIRST + 40) * SLOT)
    assert len(asked) == first
    keep(store, FIRST + 40, 2, {1: 10.0})
    ahead.expected([1], (FIRST + 42) * SLOT)
    assert len(asked) == first + 2

"""Roll-ups in the database: slots, hours, and what is too old."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nebula.engine.metrics.kinds import VM
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.metrics.rollup import DAY, HOUR, history, write
from nebula.engine.store import schema
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import RollupRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Queries


class Point(NamedTuple):
    """Mean and maximum of one metric over `step` seconds from `at`."""

    at: float
    step: int
    mean: float
    maximum: float


def series(queries: Queries, kind: str, number: int, metric: int, *, since: float, step: int = SLOT) -> list[Point]:
    """One metric of one object."""
    found = history(queries, kind, number, since=since, step=step)
    return [Point(at, step, values[metric], values[len(VM) + metric]) for at, values in found]


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def store(tmp_path: Path, clock: Hands) -> Iterator[Store]:
    location = parse_url("", tmp_path)
    schema.prepare(location, put_aside=lambda: pytest.fail("nothing to put aside"))
    made = Store(location, clock)
    yield made
    made.close()


def slot(at: int, values: dict[int, float]) -> Slot:
    made = Slot("vm", at)
    for number, value in sorted(values.items()):
        made.add(number, tuple([value] * len(VM)), tuple([2 * value] * len(VM)))
    return made


def keep(store: Store, clock: Hands, at: int, values: dict[int, float]) -> None:
    """The slot from `at` ends."""
    clock.time = at + SLOT + 1.0
    store.write(lambda tx: write(tx, [slot(at, values)], fine_days=1, hourly_days=3))


def test_slots_come_back_as_a_series(store: Store, clock: Hands) -> None:
    start = 1000 * HOUR
    for number in range(5):
        keep(store, clock, start + number * SLOT, {7: number, 9: 50.0})
    found = series(store.read(), "vm", 7, 0, since=start + SLOT)
    assert [point.at - start for point in found] == [n * SLOT for n in range(1, 5)]
    assert [point.mean for point in found] == pytest.approx([1.0, 2.0, 3.0, 4.0], rel=0.01)
    assert found[-1].maximum == pytest.approx(8.0, rel=0.01)
    assert series(store.read(), "vm", 8, 0, since=0) == []
    assert series(store.read(), "host", 7, 0, since=0) == []


def test_an_hour_that_is_over_is_summed_up_once(store: Store, clock: Hands) -> None:
    start = 1000 * HOUR
    for number in range(14):
        keep(store, clock, start + number * SLOT, {7: float(number)} if number != 3 else {9: 1.0})
    hours = series(store.read(), "vm", 7, 0, since=0, step=HOUR)
    mean = sum(number for number in range(12) if number != 3) / 11
    assert [point.at for point in hours] == [start]
    assert hours[0].mean == pytest.approx(mean, rel=0.01)
    assert hours[0].maximum == pytest.approx(22.0, rel=0.01)


def test_an_hour_that_nobody_saw_end_is_summed_up_later(store: Store, clock: Hands) -> None:
    start = 1000 * HOUR
    keep(store, clock, start, {7: 4.0})
    keep(store, clock, start + 30 * HOUR, {7: 5.0})
    assert [point.at for point in series(store.read(), "vm", 7, 0, since=0, step=HOUR)] == [start]


def test_what_is_too_old_goes(store: Store, clock: Hands) -> None:
    start = 1000 * DAY
    for day in range(6):
        keep(store, clock, start + day * DAY, {7: 1.0})
        keep(store, clock, start + day * DAY + HOUR, {7: 1.0})
    now = clock.time
    rows = store.read().select(RollupRow)
    assert all(row.at >= now - DAY for row in rows if row.step == SLOT)
    assert all(row.at >= now - 3 * DAY for row in rows if row.step == HOUR)
    hours = [row.at - start for row in rows if row.step == HOUR]
    assert sorted(hours) == [3 * DAY, 3 * DAY + HOUR, 4 * DAY, 4 * DAY + HOUR, 5 * DAY]


def test_a_damaged_row_is_passed_over(store: Store, clock: Hands) -> None:
    start = 1000 * HOUR
    keep(store, clock, start, {7: 1.0})
    keep(store, clock, start + SLOT, {7: 2.0})
    row = store.read().select(RollupRow, '"at"=?', (float(start),))[0]
    store.write(lambda tx: tx.change(row, data=b"\x01nonsense"))
    assert [point.at for point in series(store.read(), "vm", 7, 0, since=0)] == [start + SLOT]


def test_a_clock_that_was_ahead_leaves_nothing_and_holds_nothing_up(store: Store, clock: Hands) -> None:
    start = 1000 * HOUR
    keep(store, clock, start, {7: 1.0})
    for number in range(13):
        keep(store, clock, start + 5 * DAY + number * SLOT, {7: 99.0})
    assert [point.at for point in series(store.read(), "vm", 7, 0, since=0, step=HOUR)] == [start + 5 * DAY]
    for number in range(13):
        keep(store, clock, start + number * SLOT, {7: 2.0})
    assert [point.mean for point in series(store.read(), "vm", 7, 0, since=0)] == [2.0] * 13
    assert [(point.at, point.mean) for point in series(store.read(), "vm", 7, 0, since=0, step=HOUR)] == [(start, 2.0)]

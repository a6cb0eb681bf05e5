"""The newest figures, and the slots that end."""

from __future__ import annotations

import math

from nebula.engine.metrics.kinds import HOST, VM, Row
from nebula.engine.metrics.recent import KEPT, SLOT, RecentFigures, Slot


def vm(value: float) -> Row:
    return tuple([value] * len(VM))


def test_rows_are_bounded_and_the_oldest_go() -> None:
    figures = RecentFigures(lambda _: None)
    for number in range(KEPT + 5):
        figures.add(1000.0 + number, [("vm", 7, vm(number))])
    rows = figures.rows("vm", 7)
    assert [row[0] for _, row in rows] == list(range(5, KEPT + 5))
    assert figures.last("vm", 7) == (1000.0 + KEPT + 4, vm(KEPT + 4))
    assert figures.newest("vm").keys() == {7}
    assert figures.last("vm", 8) is None


def test_a_slot_ends_with_the_first_measurement_of_the_next() -> None:
    ended: list[Slot] = []
    figures = RecentFigures(ended.extend)
    start = 20 * SLOT
    figures.add(start, [("vm", 7, vm(1.0)), ("host", 1, tuple([5.0] * len(HOST)))])
    figures.add(start + 10, [("vm", 7, vm(3.0)), ("vm", 9, vm(8.0))])
    assert ended == []
    figures.add(start + SLOT, [("vm", 7, vm(100.0))])
    slots = {slot.kind: slot for slot in ended}
    assert slots["vm"].at == start
    assert slots["vm"].ids == [7, 9]
    assert slots["vm"].means[0] == [2.0, 8.0]
    assert slots["vm"].maxima[0] == [3.0, 8.0]
    assert slots["host"].ids == [1]
    ended.clear()
    figures.add(start + 3 * SLOT, [])
    assert [(slot.kind, slot.ids) for slot in ended] == [("vm", [7])], "what was silent has no place in it"


def test_what_is_not_known_counts_neither_way() -> None:
    ended: list[Slot] = []
    figures = RecentFigures(ended.extend)
    figures.add(SLOT, [("vm", 1, (math.nan, *vm(1.0)[1:]))])
    figures.add(SLOT + 1, [("vm", 1, vm(5.0))])
    figures.add(2 * SLOT, [])
    assert ended[0].means[0] == [5.0]
    assert ended[0].means[1] == [3.0]
    assert ended[0].maxima[0] == [5.0]


def test_the_forgotten_leave_nothing() -> None:
    figures = RecentFigures(lambda _: None)
    figures.add(1.0, [("vm", 1, vm(1.0)), ("vm", 2, vm(1.0))])
    figures.forget("vm", [1])
    assert figures.newest("vm").keys() == {2}
    assert figures.rows("vm", 1) == []


def test_a_vm_that_comes_with_a_slots_turn_stays_and_one_that_was_silent_goes() -> None:
    kept: list[set[int]] = []
    figures = RecentFigures(lambda _: kept.append(set(figures.newest("vm"))))
    figures.add(10 * SLOT, [("vm", 1, vm(1.0)), ("vm", 2, vm(1.0))])
    figures.add(11 * SLOT, [("vm", 2, vm(1.0))])
    figures.add(12 * SLOT, [("vm", 3, vm(1.0))])
    assert kept[-1] == {2, 3}, "1 was silent for a slot, 3 came as it ended"
    assert figures.newest("vm").keys() == {2, 3}


def test_a_late_measurement_ends_no_slot() -> None:
    ended: list[Slot] = []
    figures = RecentFigures(ended.extend)
    figures.add(10 * SLOT, [("vm", 1, vm(1.0))])
    figures.add(10 * SLOT - 20, [("vm", 2, vm(1.0))])
    figures.add(11 * SLOT, [])
    assert [(slot.at, slot.ids) for slot in ended] == [(10 * SLOT, [1, 2])]


def test_after_the_clock_was_set_back_slots_end_again() -> None:
    ended: list[Slot] = []
    figures = RecentFigures(ended.extend)
    figures.add(100 * SLOT, [("vm", 1, vm(9.0))])
    for slot in (20, 21):
        figures.add(slot * SLOT, [("vm", 1, vm(1.0))])
    assert [(slot.at, slot.means[0]) for slot in ended] == [(20 * SLOT, [1.0])], "of before nobody knows when it was"

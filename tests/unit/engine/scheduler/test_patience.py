"""Refused VMs wait longer each time and hold up no other; measured loads are those of the last minute."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nebula.engine.api.values import Accepted
from nebula.engine.metrics.kinds import METRICS
from nebula.engine.metrics.recent import RecentFigures
from nebula.engine.scheduler.measured import lately
from nebula.engine.scheduler.patience import Patience
from nebula.engine.scheduler.values import VmView
from nebula.engine.settings import Settings
from nebula.engine.store.rows import HostRow
from nebula.errors import ConflictError
from tests.support.sim import CALL, Sim, template, until


def vm(number: int) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=1, memory=1)


def test_each_refusal_in_a_row_doubles_the_wait() -> None:
    patience = Patience(Settings(retry_first=1.0, retry_most=60.0))
    waits = []
    for _ in range(9):
        patience.told({1}, {1}, now=100.0)
        waits.append(patience.next(100.0))
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert patience.ready([vm(1), vm(2)], 100.0) == (vm(2),)
    assert patience.ready([vm(1), vm(2)], 160.0) == (vm(1), vm(2))


def test_who_was_planned_without_a_refusal_or_waits_no_more_starts_anew() -> None:
    patience = Patience(Settings())
    patience.told({1, 2}, {1, 2}, now=0.0)
    patience.told({1}, set(), now=0.0)
    assert patience.ready([vm(1)], 0.0) == (vm(1),)
    assert patience.next(0.0) is None


def test_one_that_is_always_refused_holds_up_no_other(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    place, tried = sim.engine.scheduler._place_verb, []

    def picky(tx: Any, vm_id: int, *rest: Any) -> Accepted:
        tried.append(vm_id)
        if vm_id == bad:
            raise ConflictError("not this one")
        return place(tx, vm_id, *rest)

    monkeypatch.setattr(sim.engine.scheduler, "_place_verb", picky)
    sim.engine.vms.create(template("bad"), CALL, hold=True)
    bad = sim.vm("bad").id
    sim.engine.vms.release("bad", CALL)
    until(lambda: tried.count(bad) >= 4, "tries of the one that is refused")
    sim.add_vm("good")
    assert sim.state("good") == "RUNNING"
    monkeypatch.setattr(sim.engine.scheduler, "_place_verb", place)
    sim.await_state("bad", "RUNNING")


def test_loads_are_means_of_the_last_minute_and_fall_back_to_what_was_written() -> None:
    figures = RecentFigures(lambda slots: None)
    row = HostRow(id=7, name="h", cluster_id=1, state=2, cpu_used=100, memory_used=50)
    assert lately(figures)(row) == (100, 50)
    width = len(METRICS["host"])
    for number, cpu in enumerate((900.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)):
        figures.add(10.0 * number, [("host", 7, (cpu, *(math.nan,) * (width - 1)))])
    assert lately(figures)(row) == (35.0, 50)


def test_the_scheduler_asks_for_loads(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measured(row: HostRow) -> tuple[float, float]:
        asked.append(row.name)
        return (0.0 if row.name == "h3" else 800.0), 0.0

    monkeypatch.setattr(sim.engine.scheduler, "_measured", measured)
    sim.engine.clusters.update("default", {"attributes": {"SCHED_POLICY": "load-aware"}}, CALL)
    sim.add_vm("one")
    assert {"h1", "h2", "h3"} <= set(asked)
    assert sim.where("one") == "h3"

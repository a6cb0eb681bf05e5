"""What is measured, through the façade."""

from __future__ import annotations

import pytest

from nebula.engine.local.engine import read_only
from nebula.engine.metrics.kinds import METRICS
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.metrics.rollup import write
from nebula.errors import NotFoundError, UsageError
from tests.support.sim import Sim, until


def test_the_busiest_come_first(sim: Sim) -> None:
    for name, profile in (("calm", "idle"), ("works", "busy")):
        sim.world.guests.order(name, profile="busy" if profile == "busy" else "idle")
        sim.add_vm(name)
    until(lambda: len(sim.engine.metrics.top("vm").rows) == 2, "figures of both VMs")
    listing = sim.engine.metrics.top("vm")
    names = [row[listing.columns.index("name")] for row in listing.rows]
    assert names == ["works", "calm"]
    assert listing.columns[5:] == tuple(metric.name for metric in METRICS["vm"])
    hosts = sim.engine.metrics.top("host")
    assert {row[hosts.columns.index("name")] for row in hosts.rows} == {"h1", "h2", "h3"}


def test_who_has_no_engine_looks_for_himself(sim: Sim) -> None:
    sim.add_vm("one")
    home = sim.home
    engine = read_only(home)
    try:
        assert [row[1] for row in engine.metrics.top("vm").rows] == ["one"]
        assert len(engine.metrics.top("host").rows) == 3
    finally:
        engine.close()


def test_a_history_is_read_from_the_roll_ups(sim: Sim) -> None:
    vm = sim.add_vm("one")
    slot = Slot("vm", 10 * SLOT)
    width = len(METRICS["vm"])
    slot.add(vm.id, tuple([5.0] * width), tuple([9.0] * width))
    sim.engine.services.store.write(lambda tx: write(tx, [slot], fine_days=1e6, hourly_days=1e6))
    found = sim.engine.metrics.series("vm", "one", 0.0)
    assert found.rows[0][0] == 10 * SLOT
    assert found.rows[0][found.columns.index("cpu")] == pytest.approx(5.0, rel=0.01)
    assert found.rows[0][found.columns.index("cpu_max")] == pytest.approx(9.0, rel=0.01)
    assert sim.engine.metrics.series("host", "h1", 0.0).rows == []


def test_the_last_minutes_are_told_as_they_were_measured(sim: Sim) -> None:
    sim.add_vm("one")
    until(lambda: len(sim.engine.metrics.series("vm", "one", 0.0, 0).rows) >= 2, "two measurements")
    found = sim.engine.metrics.series("vm", "one", 0.0, 0)
    times = [row[0] for row in found.rows]
    assert times == sorted(times)
    assert len(found.columns) == len(found.rows[0]) == 1 + 2 * len(METRICS["vm"])
    assert sim.engine.metrics.series("vm", "one", times[-1] + 3600.0, 0).rows == []


def test_what_is_not_measured_is_refused(sim: Sim) -> None:
    with pytest.raises(UsageError, match="nothing is measured of a 'disk'"):
        sim.engine.metrics.top("disk")
    with pytest.raises(UsageError, match="steps of 7 s"):
        sim.engine.metrics.series("vm", "one", 0.0, 7)
    with pytest.raises(NotFoundError):
        sim.engine.metrics.series("vm", "nobody", 0.0)

"""Rates are by the time between two readings of the counters, however long the looks around them lasted."""

from __future__ import annotations

import msgspec

from nebula.engine.metrics.kinds import place
from nebula.engine.metrics.recent import RecentFigures
from nebula.engine.monitor.booked import booked
from nebula.engine.monitor.memory import Recent
from nebula.engine.monitor.sampling import look, record
from tests.support.sim import Sim


def test_a_look_that_lasted_makes_no_peak_of_the_next(sim: Sim) -> None:
    vm = sim.add_vm("one", HOST="h1")
    services, host = sim.engine.services, sim.host("h1")
    before = services.clock.monotonic()
    first = look(services, host)
    assert before <= first.counted <= services.clock.monotonic()
    figures, recent = RecentFigures(lambda _: None), Recent()
    for seconds in (0, 20):
        found = look(services, host)
        found.counted = 1000.0 + seconds
        counters = {uuid: msgspec.structs.replace(stats, cpu_time_ns=seconds * 10**9) for uuid, stats in first.stats.items()}
        found.stats = counters
        record(services, host, found, recent, booked(services, host), lambda _: "", figures)
    newest = figures.last("vm", vm.id)
    assert newest is not None
    assert newest[1][place("vm", "cpu")] == 100.0, "one core for 20 s, though both looks were taken within one"

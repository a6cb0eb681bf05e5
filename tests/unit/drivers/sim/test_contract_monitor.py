from __future__ import annotations

import pytest

from nebula.drivers.sim.monitor import SimMonitor
from nebula.drivers.sim.world import SimWorld
from tests.contract.monitor import *  # noqa: F403
from tests.contract.monitor import COUNTERS, MonitorSubject
from tests.unit.drivers.sim.lab import handle, hypervisor, spec, uuid_of


@pytest.fixture
def subject(world: SimWorld) -> MonitorSubject:
    return MonitorSubject(SimMonitor(), handle(world, "one"))


def test_counters_do_not_go_back_when_guests_leave(world: SimWorld) -> None:
    driver = hypervisor(world, "one")
    driver.start(spec(1))
    world.advance(600)
    before = SimMonitor().sample(handle(world, "one"))
    driver.destroy(uuid_of(1))
    world.advance(1)
    after = SimMonitor().sample(handle(world, "one"))
    assert all(getattr(after, name) >= getattr(before, name) for name in COUNTERS)


def test_an_overloaded_host_is_full_and_under_pressure(world: SimWorld) -> None:
    world.hosts.add("small", cores=1, bridges=["br0"])
    world.guests.order("*", profile="busy")
    hypervisor(world, "small").start(spec(1, vcpus=4))
    before = SimMonitor().sample(handle(world, "small"))
    world.advance(100)
    after = SimMonitor().sample(handle(world, "small"))
    assert after.cpu_busy - before.cpu_busy == pytest.approx(100)
    assert after.pressure_cpu > before.pressure_cpu
    assert after.load1 > 2


def test_a_skewed_clock_is_seen(world: SimWorld) -> None:
    world.hosts.set_clock_skew("one", 42)
    sample = SimMonitor().sample(handle(world, "one"))
    assert sample.host_time - sample.taken == pytest.approx(42)

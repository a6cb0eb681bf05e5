"""From counters to figures."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.metrics import rates
from nebula.engine.metrics.kinds import HOST, VM, Row, place
from nebula.model.domain import DomainState, DomainStats
from nebula.model.host import HostSample

seconds = st.floats(0, 1e6)


def sample(busy: float, idle: float, *, taken: float = 0.0, steal: float = 0.0, pressure: float = 0.0) -> HostSample:
    return HostSample(taken=taken, cpu_busy=busy, cpu_idle=idle, cpu_steal=steal, pressure_cpu=pressure)


def stats(nanoseconds: int, **counters: int) -> DomainStats:
    return DomainStats(uuid="u", state=DomainState.RUNNING, reason="", cpu_time_ns=nanoseconds, **counters)


def of(kind: str, name: str, row: Row | None) -> float:
    assert row is not None
    return row[place(kind, name)]


@given(seconds, seconds, seconds, seconds, st.integers(100, 25600))
def test_a_hosts_use_is_a_share_of_what_it_has(busy: float, idle: float, more: float, rest: float, total: int) -> None:
    row = rates.host(sample(busy, idle), sample(busy + more + 1, idle + rest, taken=10.0), total)
    assert 0 <= of("host", "cpu", row) <= total + 1e-6


def test_counters_that_went_back_say_nothing() -> None:
    assert rates.host(sample(5, 5), sample(1, 9, taken=1.0), 100) is None
    assert rates.host(sample(5, 5), sample(5, 5, taken=1.0), 100) is None
    assert rates.domain(stats(5), stats(1), 1.0) is None
    assert rates.domain(stats(1), stats(5), 0.0) is None


def test_one_core_for_one_second_is_a_hundred() -> None:
    assert of("vm", "cpu", rates.domain(stats(0), stats(1_000_000_000), 1.0)) == 100
    assert of("host", "cpu", rates.host(sample(0, 0), sample(1, 3, taken=1.0), 400)) == 100


def test_time_stolen_is_no_use_and_no_rest() -> None:
    row = rates.host(sample(0, 0), sample(1, 1, taken=1.0, steal=2, pressure=0.25), 400)
    assert (of("host", "cpu", row), of("host", "cpu_wait", row), of("host", "cpu_pressure", row)) == (100, 200, 0.25)


def test_a_requests_latency_is_its_share_of_the_time_they_took() -> None:
    after = stats(1, disk_read_requests=3, disk_write_requests=1, disk_time_ns=8_000_000, disk_read_bytes=4 << 20)
    row = rates.domain(stats(0), after, 2.0)
    assert of("vm", "disk_latency", row) == 2.0
    assert of("vm", "disk_ops", row) == 2.0
    assert of("vm", "disk_read", row) == 2.0
    assert of("vm", "disk_latency", rates.domain(after, after, 1.0)) == 0.0


def test_a_disk_that_left_takes_its_counters_along() -> None:
    row = rates.domain(stats(1, disk_read_bytes=5, net_rx_bytes=9), stats(2, disk_read_bytes=1, net_rx_bytes=0), 1.0)
    assert of("vm", "disk_read", row) == 0.0
    assert of("vm", "net_rx", row) == 0.0


def test_a_row_has_a_value_for_every_metric() -> None:
    domain, host = rates.domain(stats(0), stats(1), 1.0), rates.host(sample(0, 0), sample(1, 1, taken=1.0), 100)
    assert domain is not None
    assert host is not None
    assert (len(domain), len(host)) == (len(VM), len(HOST))
    assert math.isnan(of("vm", "balloon", domain)), "a balloon that is not known is not 0"

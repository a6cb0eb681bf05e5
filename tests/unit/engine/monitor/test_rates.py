"""From counters to rates, and which figures are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.monitor.memory import KEPT, WRITE_EVERY, Recent
from nebula.engine.monitor.rates import domain_cpu, host_cpu
from nebula.model.domain import DomainState, DomainStats
from nebula.model.host import HostSample

seconds = st.floats(0, 1e6)


def sample(busy: float, idle: float) -> HostSample:
    return HostSample(taken=0.0, cpu_busy=busy, cpu_idle=idle)


def stats(nanoseconds: int) -> DomainStats:
    return DomainStats(uuid="u", state=DomainState.RUNNING, reason="", cpu_time_ns=nanoseconds)


@given(seconds, seconds, seconds, seconds, st.integers(100, 25600))
def test_a_hosts_use_is_a_share_of_what_it_has(busy: float, idle: float, more: float, rest: float, total: int) -> None:
    assert 0 <= host_cpu(sample(busy, idle), sample(busy + more + 1, idle + rest), total) <= total


def test_counters_that_went_back_say_nothing() -> None:
    assert host_cpu(sample(5, 5), sample(1, 9), 100) == -1
    assert host_cpu(sample(5, 5), sample(5, 5), 100) == -1
    assert domain_cpu(stats(5), stats(1), 1.0) == -1
    assert domain_cpu(stats(1), stats(5), 0.0) == -1


def test_one_core_for_one_second_is_a_hundred() -> None:
    assert domain_cpu(stats(0), stats(1_000_000_000), 1.0) == 100
    assert host_cpu(sample(0, 0), sample(1, 3), 400) == 100


@pytest.mark.parametrize(("busy", "writes"), [(True, 3), (False, 2)])
def test_figures_are_due_twice_and_then_seldom_and_never_without_a_vm(busy: bool, writes: int) -> None:
    recent = Recent()
    due = [recent.figures_due(1, second, busy=busy) for second in range(0, int(WRITE_EVERY) + 20, 10)]
    assert due[:2] == [True, True]
    assert sum(due) == writes
    assert recent.figures_due(2, 0.0, busy=busy), "each host for itself"


def test_samples_are_bounded_and_forgotten() -> None:
    recent = Recent()
    for number in range(KEPT + 5):
        recent.host(1, sample(number, 0))
    assert len(recent.samples(1)) == KEPT
    recent.forget(1)
    assert recent.samples(1) == []

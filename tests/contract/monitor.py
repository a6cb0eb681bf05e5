"""What every monitor driver keeps. A test module imports the tests and gives the fixture `subject`."""

from __future__ import annotations

import msgspec

from nebula.drivers.base import HostHandle, Monitor
from nebula.model.host import HostSample

COUNTERS = (
    "cpu_busy",
    "cpu_idle",
    "cpu_steal",
    "disk_read_bytes",
    "disk_write_bytes",
    "net_rx_bytes",
    "net_tx_bytes",
    "pressure_cpu",
    "pressure_memory",
    "pressure_io",
)
TOLERANCE = 0.1
"""The kernel corrects a CPU's idle time backwards now and then, by ticks."""


class MonitorSubject(msgspec.Struct, frozen=True):
    """A driver, and a host that answers."""

    driver: Monitor
    host: HostHandle


def test_a_sample_says_when_and_what(subject: MonitorSubject) -> None:
    sample = subject.driver.sample(subject.host)
    assert isinstance(sample, HostSample)
    assert sample.taken > 0
    assert sample.memory_total_mib > 0
    assert 0 <= sample.memory_free_mib <= sample.memory_total_mib
    assert sample.cpu_busy + sample.cpu_idle > 0
    assert sample.load1 >= 0


def test_counters_never_go_back(subject: MonitorSubject) -> None:
    first, second = (subject.driver.sample(subject.host) for _ in range(2))
    assert second.taken >= first.taken
    for counter in COUNTERS:
        assert getattr(first, counter) >= 0, counter
        assert getattr(second, counter) >= getattr(first, counter) - TOLERANCE, counter


def test_hardware_comes_where_it_is_asked_for(subject: MonitorSubject) -> None:
    assert subject.driver.sample(subject.host).hardware is None
    found = subject.driver.sample(subject.host, hardware=True).hardware
    assert found is not None
    assert found.nodes
    assert all(node.cores and node.memory_mib for node in found.nodes)

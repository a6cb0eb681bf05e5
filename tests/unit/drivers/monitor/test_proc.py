"""The driver on this machine, asked both ways."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.monitor.proc import ProcMonitor
from nebula.transport.base import Completed
from nebula.transport.local import LocalTransport
from tests.contract.monitor import *  # noqa: F403
from tests.contract.monitor import MonitorSubject


class CountingShell:
    """A host that is reached by one command at a time, as over ssh, and counts them."""

    name = "elsewhere"

    def __init__(self) -> None:
        self.round_trips = 0

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        self.round_trips += 1
        done = subprocess.run(argv, capture_output=True, check=True, timeout=30)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def _handle(transport: Any) -> HostHandle:
    return HostHandle(
        host_id=0, name="here", address="", user="root", port=22, virt="qemu", root="/var/lib/nebula", transport=transport
    )


@pytest.fixture(params=["local", "remote"])
def subject(request: pytest.FixtureRequest) -> MonitorSubject:
    transport = LocalTransport() if request.param == "local" else CountingShell()
    return MonitorSubject(ProcMonitor(), _handle(transport))


def test_one_round_trip() -> None:
    shell = CountingShell()
    ProcMonitor().sample(_handle(shell))
    assert shell.round_trips == 1


def test_both_ways_agree() -> None:
    here, there = (ProcMonitor().sample(_handle(transport)) for transport in (LocalTransport(), CountingShell()))
    assert here.memory_total_mib == there.memory_total_mib
    assert there.disk_read_bytes >= here.disk_read_bytes
    assert there.net_rx_bytes >= here.net_rx_bytes
    assert abs(there.host_time - there.taken) < 60
    assert abs(there.cpu_idle - here.cpu_idle) < 60 * 1024


def test_pressure_comes_where_the_kernel_has_it() -> None:
    for transport in (LocalTransport(), CountingShell()):
        sample = ProcMonitor().sample(_handle(transport))
        assert (sample.pressure_cpu > 0) == Path("/proc/pressure/cpu").exists()

"""What the dashboard's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.tui.memory import Memory
from tests.support.sim import CALL, SETTINGS, Sim


@pytest.fixture(scope="session")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sim]:
    """Three hosts, and VMs of which two wait."""
    quiet = msgspec.structs.replace(SETTINGS, monitor_interval=60.0)
    made = Sim(tmp_path_factory.mktemp("home"), settings=quiet)
    made.furnish()
    for number in range(1, 5):
        made.engine.vms.create({"NAME": f"web-{number}", "MEMORY": 128, "DISK": [{"IMAGE": "base"}]}, CALL)
    made.engine.vms.create({"NAME": "db-1", "MEMORY": 256, "NIC": [{"NETWORK": "lan"}]}, CALL, hold=True)
    made.engine.vms.create({"NAME": "huge", "MEMORY": 1 << 25}, CALL, hold=True)
    made.settle()
    yield made
    made.close()


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Nothing remembered."""
    return Memory(tmp_path)

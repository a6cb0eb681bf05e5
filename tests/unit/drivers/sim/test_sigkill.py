"""The world outlives the process that acts in it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.unit.drivers.sim.lab import hypervisor, request, spec, uuid_of

ROOT = Path(__file__).parents[4]
ONE = uuid_of(1)
CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.unit.drivers.sim.lab import hypervisor, request, spec, uuid_of
from nebula.drivers.sim.world import SimWorld
world = SimWorld(sys.argv[2])
driver = hypervisor(world, "one")
"""


def child(world: SimWorld, script: str) -> int:
    """Run the script in a process of its own; its exit status."""
    argv = [sys.executable, "-c", CHILD + script, str(ROOT), world.path]
    return subprocess.run(argv, timeout=120, check=False).returncode


@pytest.fixture
def durable(tmp_path: Path) -> SimWorld:
    made = SimWorld(tmp_path / "world.db")
    for name in ("one", "two"):
        made.hosts.add(name, bridges=["br0"])
    return made


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_a_killed_start_is_done_or_not(durable: SimWorld, when: str, done: int) -> None:
    durable.faults.kill("one", "hypervisor.start", when)  # type: ignore[arg-type]
    assert child(durable, "driver.start(spec(1))") == -signal.SIGKILL
    assert len(hypervisor(durable, "one").domains()) == done
    hypervisor(durable, "one").start(spec(1))
    assert (durable.double_runs(), durable.leaks([1])) == ([], [])
    durable.close()


def test_all_that_was_answered_is_there(durable: SimWorld) -> None:
    durable.faults.kill("one", "hypervisor.start", "after", after=199)
    assert child(durable, "for n in range(1000): driver.start(spec(n, cards=0))") == -signal.SIGKILL
    assert {found.vm_id for found in hypervisor(durable, "one").domains()} == set(range(200))
    assert oct(Path(durable.path).stat().st_mode)[-3:] == "600"
    durable.close()


def test_a_migration_goes_on_without_its_engine(durable: SimWorld) -> None:
    durable.set("migration_seconds", 3600)
    hypervisor(durable, "one").start(spec(1))
    script = """
import os, signal
def progress(done, total):
    os.kill(os.getpid(), signal.SIGKILL)
driver.migrate(request(world, "two"), progress=progress, cancel=None)
"""
    assert child(durable, script) == -signal.SIGKILL
    assert hypervisor(durable, "one").migration_progress(ONE) is not None
    target = hypervisor(durable, "two").lookup(ONE)
    assert target is not None
    assert target.incoming
    durable.advance(3601)
    hypervisor(durable, "one").migrate(request(durable, "two"), progress=None, cancel=None)
    assert hypervisor(durable, "one").lookup(ONE) is None
    assert (durable.double_runs(), durable.leaks([1])) == ([], [])
    durable.close()


def test_a_kill_in_the_middle_of_a_change_undoes_it(durable: SimWorld) -> None:
    script = """
import os, signal
with world.db.write():
    world.domains.start("one", spec(1), world.now())
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert child(durable, script) == -signal.SIGKILL
    assert hypervisor(durable, "one").domains() == []
    assert durable.leaks([]) == []
    durable.close()

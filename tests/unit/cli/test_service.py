"""The daemon as a service: what systemd reads, and what it hears from a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.cli import systemd
from nebula.drivers.sim.world import SimWorld
from nebula.engine.owner import owner
from tests.support.forks import Program
from tests.support.sim import CALL, sim_engine, template, until

ROOT = Path(__file__).parents[3]
SECONDS = 30


@pytest.mark.parametrize("home", ["/var/lib/nebula", "/srv/nebula"])
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path, home: str) -> None:
    unit = tmp_path / "nebula.service"
    unit.write_text(systemd.unit([sys.executable, "-m", "nebula", "--daemon"], home))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Service:
    """A daemon that is started as systemd does it, on a home of simulated hosts."""

    def __init__(self, home: Path, run: str) -> None:
        self.home = home
        self._place = f"{run}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._place)
        self._socket.settimeout(SECONDS)
        self._run = run

    def start(self, **more: str) -> Program:
        """Start it."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "NEBULA_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        environ |= {"XDG_RUNTIME_DIR": self._run, "NOTIFY_SOCKET": self._place, **more}
        return Program(["--daemon"], environ)

    def heard(self) -> str:
        """The next thing that it tells."""
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that is not started yet."""
    with sim_engine(tmp_path / "home"):
        pass
    with tempfile.TemporaryDirectory(prefix="nebula-") as run:
        made = Service(tmp_path / "home", run)
        yield made
        made.close()


def test_it_says_when_it_is_ready_and_when_it_stops(service: Service) -> None:
    with service.start() as process:
        assert service.heard() == "READY=1"
        assert owner(service.home)["pid"] == process.pid
        assert "socket" in owner(service.home)
        process.terminate()
        assert service.heard() == "STOPPING=1"
        assert process.wait(SECONDS) == 0
    assert owner(service.home) == {}


def test_it_says_that_it_lives_while_writes_are_answered(service: Service) -> None:
    with service.start(WATCHDOG_USEC="400000") as process:
        assert [service.heard() for _ in range(4)] == ["READY=1", *["WATCHDOG=1"] * 3]
        process.send_signal(signal.SIGTERM)
        while (said := service.heard()) == "WATCHDOG=1":
            continue
        assert (said, process.wait(SECONDS)) == ("STOPPING=1", 0)


def test_jobs_under_way_go_on_at_the_next_start(service: Service) -> None:
    world = SimWorld(service.home / "sim.db")
    world.faults.hang("*", "datastore.create_disk", seconds=SECONDS)
    with sim_engine(service.home, furnished=False) as sim:
        sim.engine.vms.create(template("web"), CALL)
        until(world.faults.hanging, "the job's step")
        sim.engine.close()
        world.faults.hang("*", "datastore.create_disk", seconds=SECONDS)
        with service.start() as process:
            assert service.heard() == "READY=1"
            until(world.faults.hanging, "the job's step, taken up")
            process.terminate()
            assert service.heard() == "STOPPING=1"
            assert process.wait(SECONDS) == 0
        world.faults.release()
        sim.restart()
        sim.settle()
        assert sim.state("web") == "RUNNING"
        sim.assert_sound()
    world.close()

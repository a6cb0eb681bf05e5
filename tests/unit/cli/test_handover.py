"""The process that owns the home ends while another command waits for a job: that one sees to it that somebody owns the home
again, and follows the same job to its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.tables import Query
from nebula.engine.local.engine import read_only
from nebula.engine.owner import owner
from tests.support.forks import Program
from tests.support.sim import sim_engine, until

PATIENCE = 80.0
INTERRUPTED = 130


def program(home: Path, *words: str) -> Program:
    """`nebula` with these words, ended at the latest with the block."""
    return Program(["--home", str(home), *words], os.environ)


def _follows(process: Program, job: int) -> None:
    """Returns when the command has looked at the job."""
    assert process.stderr.readline().startswith(f"job {job} vm.poweroff one: ")


class Guest(NamedTuple):
    """A VM whose guest does not heed a shutdown."""

    home: Path
    world: SimWorld
    uuid: str

    def asked(self) -> bool:
        """Whether it was asked to shut down."""
        return self.world.audit.operations("hypervisor.shutdown") > 0


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    home = tmp_path / "home"
    with sim_engine(home) as sim:
        uuid = sim.add_vm("one").uuid
    world = SimWorld(home / "sim.db")
    world.guests.order(uuid, ignores_shutdown=True)
    yield Guest(home, world, uuid)
    until(lambda: not owner(home), "the end of whoever owned the home", PATIENCE)
    world.close()


ENDS = {"Ctrl-C": (signal.SIGINT, INTERRUPTED), "SIGTERM": (signal.SIGTERM, INTERRUPTED), "SIGKILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("how", ENDS)
def test_a_command_that_owned_the_home_ends(guest: Guest, how: str) -> None:
    number, status = ENDS[how]
    with program(guest.home, "vm", "poweroff", "one") as first:
        until(guest.asked, "the shutdown", PATIENCE)
        job = _job(guest.home)
        with program(guest.home, "job", "wait", str(job)) as second:
            _follows(second, job)
            first.send_signal(number)
            assert first.wait(PATIENCE) == status
            _goes_on(guest, second, job)


def test_a_daemon_that_owned_the_home_is_stopped(guest: Guest) -> None:
    with program(guest.home, "--daemon") as daemon:
        until(lambda: owner(guest.home).get("socket"), "a daemon", PATIENCE)
        with program(guest.home, "vm", "poweroff", "one") as second:
            until(guest.asked, "the shutdown", PATIENCE)
            job = _job(guest.home)
            _follows(second, job)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE) == 0
            _goes_on(guest, second, job)


def _job(home: Path) -> int:
    """The newest job, as the file has it."""
    engine = read_only(home)
    try:
        newest: int = engine.jobs.list(Query(columns=("id",), sort=("-id",), limit=1)).rows[0][0]
        return newest
    finally:
        engine.close()


def _goes_on(guest: Guest, second: Program, job: int) -> None:
    """Somebody else owns the home, the job is under way there, and the command hears of its end."""
    until(lambda: owner(guest.home).get("role") == "runner", "another owner", PATIENCE)
    assert second.poll() is None
    guest.world.guests.power_off(guest.uuid)
    _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, said
    assert _job(guest.home) == job, "the same job went on"

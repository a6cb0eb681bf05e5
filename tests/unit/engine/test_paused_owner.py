"""An owner is stopped (SIGSTOP) and loses its lock meanwhile: when it goes on, it can write nothing, and says so."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.local.engine import own
from nebula.engine.owner import owner
from nebula.engine.store.rows import EventRow, JobRow
from nebula.errors import ConflictError, OwnerError, UnreachableError
from nebula.rpc.client import RemoteEngine
from nebula.rpc.link import Waits
from tests.support.sim import SETTINGS, Sim, sim_engine, until
from tests.support.ways import PATIENCE, start_program

REFUSED = 5


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a VM whose guest does not heed a shutdown."""
    home = tmp_path / "home"
    with sim_engine(home) as sim:
        sim.world.guests.order(sim.add_vm("one").uuid, ignores_shutdown=True)
    return home


@pytest.fixture
def paused(home: Path) -> Iterator[tuple[int, RemoteEngine]]:
    """A daemon that was stopped in the middle of a job, whose lock is anybody's, and a client that it has."""
    log = home.with_suffix(".log")
    log.touch()
    process = start_program(["--home", str(home), "--daemon"], log)
    until(lambda: owner(home).get("socket"), "a daemon", PATIENCE)
    client = RemoteEngine(Path(str(owner(home)["socket"])), waits=Waits(handover=0.2))
    client.vms.poweroff("one", Call())
    world = SimWorld(home / "sim.db")
    until(lambda: world.audit.operations("hypervisor.shutdown"), "the shutdown", PATIENCE)
    world.close()
    os.kill(process.pid or 0, signal.SIGSTOP)
    (home / "owner").unlink()  # as if its file system had lost the lock
    yield process.pid or 0, client
    client.close()
    process.join(PATIENCE)
    assert process.exitcode == REFUSED, log.read_text()
    assert "another process owns the engine" in log.read_text()


def test_it_can_write_nothing(home: Path, paused: tuple[int, RemoteEngine]) -> None:
    number, client = paused
    sim = Sim(home)
    try:
        mark, told = sim.engine.events.last(), set[int]()
        sim.engine.services.store.listen(lambda events: told.update(event.id for event in events))
        sim.engine.clusters.create("theirs", Call())
        before = sim.everything()
        os.kill(number, signal.SIGCONT)
        attempts: list[Callable[[], object]] = [
            lambda: client.clusters.create("mine", Call()),
            lambda: client.vms.rename("one", "two", Call()),
            lambda: client.vms.terminate("one", Call()),
        ]
        for attempt in attempts:
            with pytest.raises((OwnerError, UnreachableError)):
                attempt()
        assert [row[0] for row in sim.engine.clusters.list(Query(columns=("name",))).rows] == ["default", "theirs"]
        after = sim.everything()
        assert {name: rows for name, rows in after.items() if name not in _AT_WORK} == {
            name: rows for name, rows in before.items() if name not in _AT_WORK
        }
        sim.world.guests.power_off(sim.vm("one").uuid)
        sim.settle()
        assert [row.state for row in sim.rows(JobRow, "\"kind\"='vm.poweroff'")] == ["done"]
        assert {row.id for row in sim.rows(EventRow, '"id">?', (mark,))} <= told, "every event is the new owner's"
    finally:
        sim.close()


_AT_WORK = {"job", "job_log", "event"}
"""Tables that the new owner itself writes meanwhile: it has taken up the job."""


def test_an_owner_that_is_paused_inside_a_transaction_is_not_passed_by(tmp_path: Path) -> None:
    """SQLite's own lock stays with it: whoever wants to take over is told so, and nothing is half done."""
    first = own(tmp_path / "home", "test", settings=SETTINGS)
    assert first is not None
    inside, go = threading.Event(), threading.Event()

    def slow(tx: object) -> None:
        inside.set()
        assert go.wait(PATIENCE)

    held = first.services.store.submit(slow)
    try:
        assert inside.wait(PATIENCE)
        (tmp_path / "home" / "owner").unlink()
        with pytest.raises(ConflictError, match="in the middle of a change"):
            own(tmp_path / "home", "test", settings=SETTINGS)
        go.set()
        held.result(PATIENCE)
        first.clusters.create("kept", Call())
    finally:
        go.set()
        first.close()

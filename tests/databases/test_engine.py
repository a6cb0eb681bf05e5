"""A whole engine on MariaDB and PostgreSQL: a VM's life, two owners, a server that goes away and comes back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from nebula import timeouts
from nebula.clock import SystemClock
from nebula.engine.api.values import Query
from nebula.engine.journal import trim
from nebula.engine.local.engine import own
from nebula.engine.settings import Settings
from nebula.engine.store.rows import ClusterRow, EventRow, HistoryRow, JobRow, RequestRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NebulaError, OwnerError
from tests.support.databases import Server
from tests.support.sim import CALL, SETTINGS, Sim, template, until

pytestmark = pytest.mark.databases


@pytest.fixture(params=["mariadb", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sim(server: Server, tmp_path: Path) -> Iterator[Sim]:
    with server.fresh() as url:
        made = Sim(tmp_path / "home", url=url)
        try:
            made.furnish()
            yield made
        finally:
            made.close()


def test_the_whole_life(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.engine.vms.migrate("one", "h2", CALL, live=True)
    sim.settle()
    sim.engine.vms.migrate("one", "", CALL)
    sim.settle()
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    assert sim.engine.vms.list(Query(filters=(("state", "=", "RUNNING"), ("name", "=", "o*"), ("memory", ">=", "100")))).rows
    assert sim.engine.hosts.list(Query(columns=("memory_allocated", "vms"), sort=("-vms",))).rows[0] == [128, 1]
    assert sim.engine.system.status().counts["vm"] == 1
    assert sim.engine.vms.describe("one").body["allowed"]
    sim.engine.networks.reserve("lan", "part", 4, CALL)
    sim.engine.networks.hold("lan", "10.9.0.30", CALL)
    with pytest.raises(ConflictError):
        sim.engine.networks.hold("lan", "10.9.0.30", CALL)
    sim.restart()
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.assert_sound()
    sim.engine.system.support(str(sim.home / "bundle.tar.gz"))


def test_many_vms_at_once(sim: Sim) -> None:
    for number in range(15):
        sim.engine.vms.create(template(f"vm{number}"), CALL)
    sim.settle()
    assert {sim.state(f"vm{number}") for number in range(15)} == {"RUNNING"}
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    sim.assert_sound()


def test_an_owner_that_was_replaced_can_change_nothing(sim: Sim, tmp_path: Path) -> None:
    other = own(tmp_path / "standby", "test", url=sim._url, settings=SETTINGS)
    assert other is not None
    try:
        with pytest.raises(OwnerError):
            sim.engine.clusters.create("mine", CALL)
        other.clusters.create("theirs", CALL)
        assert [row[0] for row in other.clusters.list(Query(columns=("name",))).rows] == ["default", "theirs"]
    finally:
        other.close()


def test_a_server_that_comes_back(sim: Sim, server: Server) -> None:
    sim.engine.clusters.create("before", CALL)
    server.stop()
    with pytest.raises(NebulaError):
        sim.engine.clusters.create("lost", CALL)
    with pytest.raises(NebulaError):
        sim.engine.clusters.list(Query())
    server.start()
    sim.engine.clusters.create("after", CALL)
    assert [row[0] for row in sim.engine.clusters.list(Query(columns=("name",))).rows] == ["default", "before", "after"]
    sim.add_vm("one")
    until(lambda: sim.state("one") == "RUNNING", "a running VM")


def test_journals_are_trimmed(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.terminate("one", CALL)
    sim.add_vm("two")
    sim.settle()
    deploys = [job for job in sim.rows(JobRow) if job.kind == "vm.deploy"]
    kept = Settings(event_memory=5, job_memory=0, done_memory=0, request_memory=0.0)
    trim(sim.engine.services.store, kept, SystemClock())
    assert [job.id for job in sim.rows(JobRow)] == [deploys[-1].id], "the last job of the VM that there is"
    assert [vm.name for vm in sim.rows(VmRow)] == ["two"]
    assert {stay.vm_id for stay in sim.rows(HistoryRow)} == {sim.vm("two").id}
    assert len(sim.rows(EventRow)) <= 5
    assert sim.rows(RequestRow) == []


def _pause_inside_a_change(home: Path, url: str, inside: Event) -> None:
    """An owner that stops for good where it holds what the next one needs, and then wants to go on."""
    timeouts.TRANSACTION_SILENCE = 1.0
    engine = own(home, "test", url=url, settings=SETTINGS)
    assert engine is not None

    def change(tx: Transaction) -> None:
        tx.insert(ClusterRow(name="mine"))
        tx.event("cluster.created", "cluster", 0)
        inside.set()
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # to the process, it could come a COMMIT too late

    failures = [engine.services.store.submit(change).exception(60), engine.services.store.submit(_nothing).exception(60)]
    os._exit(0 if failures[0] is not None and isinstance(failures[1], OwnerError) else 1)


def _nothing(tx: Transaction) -> None:
    tx.insert(ClusterRow(name="mine, too"))


def test_an_owner_that_was_paused_in_the_middle_of_a_change(server: Server, tmp_path: Path) -> None:
    """The server cuts it off, the next owner does not wait for it, and awake again it can write nothing."""
    forks = multiprocessing.get_context("forkserver")
    with server.fresh() as url:
        inside = forks.Event()
        paused = forks.Process(target=_pause_inside_a_change, args=(tmp_path / "home", url, inside))
        paused.start()
        try:
            assert inside.wait(60)
            other = own(tmp_path / "standby", "test", url=url, settings=SETTINGS)
            assert other is not None
            try:
                other.clusters.create("theirs", CALL)
                os.kill(paused.pid or 0, signal.SIGCONT)
                paused.join(60)
                assert paused.exitcode == 0, "it could write, or was not told that it is no owner any more"
                assert [row[0] for row in other.clusters.list(Query(columns=("name",))).rows] == ["default", "theirs"]
            finally:
                other.close()
        finally:
            paused.kill()
            paused.join()

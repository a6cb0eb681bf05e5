"""Evacuations that do not go straight through: cancelled, partly done, asked for again, taken up by the next engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import EventRow, JobRow
from tests.support.sim import CALL, DRY, SETTINGS, Sim, sim_engine, until
from tests.unit.cli.conftest import InProcess, runner

ENDLESS = 3600.0
"""Seconds of a migration that only a cancel ends."""
ONE_AT_A_TIME = msgspec.structs.replace(SETTINGS, migrations_per_host=1)


def children(sim: Sim, job: int) -> list[JobRow]:
    found: list[JobRow] = sim.rows(JobRow, '"parent_id"=?', (job,))
    return found


def under_way(sim: Sim, vms: int = 3) -> int:
    """The id of an evacuation of h1 whose migrations never end; one of them is at work, the others wait for it."""
    for number in range(vms):
        sim.add_vm(f"vm{number}", HOST="h1")
    sim.world.set("migration_seconds", ENDLESS)
    job = sim.engine.hosts.evacuate("h1", CALL).job_id
    until(lambda: [child.state for child in children(sim, job)] == ["running"] + ["ready"] * (vms - 1), "migrations")
    until(lambda: sim.job(job).state == "waiting", "the evacuation at its migrations")
    return job


@pytest.fixture
def one_at_a_time(home: Path) -> Iterator[Sim]:
    with sim_engine(home, furnished=False, settings=ONE_AT_A_TIME) as sim:
        yield sim


def test_a_cancelled_evacuation_calls_its_migrations_back(one_at_a_time: Sim) -> None:
    sim = one_at_a_time
    job = under_way(sim)
    assert sim.engine.jobs.cancel(job, DRY).would == (f"cancel job {job} (host.evacuate) and the 3 jobs that it filed",)
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"
    assert {child.state for child in children(sim, job)} == {"cancelled"}
    assert [(sim.where(f"vm{number}"), sim.state(f"vm{number}")) for number in range(3)] == [("h1", "RUNNING")] * 3
    assert sim.vm("vm0").reason == f"migrate-live: evacuation, job {job}: cancelled by tester"
    assert sim.host("h1").state == HostState.DISABLED
    assert "0 VMs migrated away, 3 are still there: vm0, vm1, vm2" in sim.job(job).error["cause"]
    assert "nebula host enable" in sim.job(job).error["hint"]
    assert any("called back" in line.text for line in sim.engine.jobs.log(job))
    sim.assert_sound()


def test_what_has_moved_stays_moved(one_at_a_time: Sim) -> None:
    sim = one_at_a_time
    for number in range(3):
        sim.add_vm(f"vm{number}", HOST="h1")
    sim.world.faults.hang("h1", "hypervisor.migrate", after=1)
    job = sim.engine.hosts.evacuate("h1", CALL).job_id
    until(sim.world.faults.hanging, "the second migration")
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"
    assert [child.state for child in children(sim, job)] == ["done", "cancelled", "cancelled"]
    assert [sim.where(f"vm{number}") == "h1" for number in range(3)] == [False, True, True]
    assert {sim.state(f"vm{number}") for number in range(3)} == {"RUNNING"}
    assert "1 VMs migrated away, 2 are still there: vm1, vm2" in sim.job(job).error["cause"]
    sim.assert_sound()


def test_asked_for_again_it_goes_on(one_at_a_time: Sim) -> None:
    sim = one_at_a_time
    sim.engine.jobs.cancel(under_way(sim), CALL)
    sim.settle()
    sim.world.set("migration_seconds", 0.0)
    again = sim.engine.hosts.evacuate("h1", CALL).job_id
    sim.settle()
    assert sim.job(again).state == "done"
    assert "h1" not in {sim.where(f"vm{number}") for number in range(3)}
    sim.assert_sound()


def test_the_next_engine_calls_them_back_too(one_at_a_time: Sim) -> None:
    """The first engine stops between the cancel and the end of what it calls back."""
    sim = one_at_a_time
    job = under_way(sim)
    sim.world.hosts.set_reachable("h1", False)
    sim.engine.jobs.cancel(job, CALL)
    until(lambda: sim.job(job).direction == "undo", "the evacuation on its way back")
    sim.restart()
    assert sim.job(job).direction == "undo"
    sim.world.hosts.set_reachable("h1", True)
    sim.settle()
    until(lambda: sim.job(job).state == "cancelled", "the end of the evacuation")
    assert {child.state for child in children(sim, job)} == {"cancelled"}
    for number in range(3):
        sim.await_state(f"vm{number}", "RUNNING")  # those without a job were UNKNOWN while their host was silent
    sim.assert_sound()


def test_one_that_cannot_go_makes_it_partly_done_with_its_reason(sim: Sim) -> None:
    sim.add_vm("small", HOST="h1")
    sim.add_vm("large", HOST="h1", MEMORY=40960)
    for name in ("h2", "h3"):
        sim.engine.hosts.update(name, {"reserved_memory": "60%"}, CALL)
    cli = runner(InProcess(sim.engine))
    result = cli("host", "evacuate", "h1")
    assert result.status == 8, result
    assert "1 VMs migrated away, 1 are still there" in result.err
    assert "VM large: " in result.err
    assert "memory" in result.err
    assert (sim.where("large"), sim.state("large")) == ("h1", "RUNNING")
    for name in ("h2", "h3"):
        sim.engine.hosts.update(name, {"reserved_memory": ""}, CALL)
    assert cli("host", "evacuate", "h1").status == 0
    assert sim.rows(EventRow, "\"kind\"='host.evacuated'")
    sim.assert_sound()


def test_a_command_that_waits_hears_who_cancelled_and_how_far_it_came(one_at_a_time: Sim) -> None:
    sim = one_at_a_time
    job = under_way(sim, vms=1)
    cli = runner(InProcess(sim.engine))
    result = cli("job", "cancel", str(job))
    assert result.status == 0, result
    assert f"job {job} (host.evacuate h1): cancelled: 0 VMs migrated away, 1 are still there: vm0" in result.err
    waited = cli("job", "wait", str(job))
    assert waited.status == 130
    assert "cancelled by" in waited.err

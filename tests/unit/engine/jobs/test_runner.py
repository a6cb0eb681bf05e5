"""Jobs on simulated hosts: cancelled, parked, waiting for a host, given up, undone, limited, asked for twice."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.sim.faults import FOREVER
from nebula.engine.api.values import Call
from nebula.engine.store.rows import HostRow, ImageCopyRow, JobRow, VmRow
from nebula.errors import ConflictError
from tests.support.sim import CALL, SETTINGS, Sim, sim_engine, template, until


def started(sim: Sim, name: str = "one") -> int:
    """Ask for a VM; the id of its deploy job, as soon as there is one (it may have ended already)."""
    sim.engine.vms.create(template(name), CALL)
    until(lambda: deploys(sim, name), "a job")
    return deploys(sim, name)[-1].id


def deploys(sim: Sim, name: str) -> list[JobRow]:
    where = '"kind"=\'vm.deploy\' AND "target_kind"=\'vm\' AND "target_id"=?'
    return sim.rows(JobRow, where, (sim.vm(name).id,))


def hanging(sim: Sim, count: int = 1) -> None:
    until(lambda: len(sim.world.faults.hanging()) >= count, f"{count} hanging calls")


# --- cancel


def test_a_running_job_is_cancelled_and_undone(sim: Sim) -> None:
    sim.world.faults.hang("*", "datastore.create_disk")
    job = started(sim)
    hanging(sim)
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"
    assert sim.state("one") == "PROLOG_FAILURE"
    assert sim.vm("one").job_id == 0
    sim.assert_sound()
    with pytest.raises(ConflictError, match="cancelled already"):
        sim.engine.jobs.cancel(job, CALL)


def test_a_job_that_waits_for_its_host_is_cancelled(sim: Sim) -> None:
    sim.add_vm("one")
    order = sim.world.faults.error("*", "hypervisor.shutdown", "unreachable", FOREVER)
    job = sim.engine.vms.poweroff("one", CALL).job_id
    until(lambda: sim.job(job).state == "waiting", "a waiting job")
    sim.engine.jobs.cancel(job, CALL)
    until(lambda: sim.job(job).state == "cancelled", "the end of the job")
    sim.world.faults.release(order)
    assert sim.state("one") == "RUNNING"


def test_a_cancelled_copy_of_an_image_leaves_no_file_that_nobody_knows(sim: Sim) -> None:
    base = sim.image("base")
    [copy] = sim.rows(ImageCopyRow, '"image_id"=?', (base.id,))
    host = next(row.name for row in sim.rows(HostRow) if row.id != copy.host_id)
    sim.world.faults.lost_answer(host, "datastore.copy_image")
    order = sim.world.faults.error(host, "datastore.has_image", "unreachable", FOREVER, after=1)
    sim.engine.vms.create(template("one", HOST=host), CALL)
    until(lambda: sim.vm("one").job_id and sim.job(sim.vm("one").job_id).attempt > 1, "a job that tries again")
    job = sim.vm("one").job_id
    sim.engine.jobs.cancel(job, CALL)
    until(lambda: sim.job(job).state == "cancelled", "the end of the job")
    sim.world.faults.release(order)
    assert [row.host_id for row in sim.rows(ImageCopyRow, '"image_id"=?', (base.id,))] == [copy.host_id]
    assert len(sim.world.db.all("SELECT scope FROM files WHERE content=?", f"image:{base.uuid}")) == 1
    sim.engine.vms.recover("one", "retry", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_a_job_that_waits_for_a_lock_is_cancelled(home: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, starts_per_host=1)
    with sim_engine(home, furnished=False, settings=settings) as sim:
        order = sim.world.faults.hang("h1", "hypervisor.start")
        first = sim.engine.vms.create(template("first"), CALL, hold=True)
        sim.engine.vms.deploy(first.name, "h1", CALL)
        hanging(sim)
        sim.engine.vms.create(template("second"), CALL, hold=True)
        second = sim.engine.vms.deploy("second", "h1", CALL).job_id
        sim.engine.jobs.cancel(second, CALL)
        until(lambda: sim.job(second).state == "cancelled", "the end of the second job, while the first holds the lock")
        assert len(sim.world.faults.hanging()) == 1
        sim.world.faults.release(order)
        sim.settle()
        assert (sim.state("first"), sim.state("second")) == ("RUNNING", "PROLOG_FAILURE")
        assert sim.world.audit.operations("hypervisor.start") == 1
        sim.assert_sound()


def test_a_second_cancel_ends_an_undo_whose_host_is_gone(sim: Sim) -> None:
    sim.world.faults.hang("*", "hypervisor.start")
    job = started(sim)
    hanging(sim)
    host = sim.where("one")
    sim.world.hosts.set_reachable(host, False)
    sim.engine.jobs.cancel(job, CALL)
    sim.world.faults.release()
    until(lambda: sim.job(job).direction == "undo" and sim.job(job).state == "waiting", "an undo that waits")
    sim.engine.jobs.cancel(job, CALL)
    until(lambda: sim.job(job).state == "cancelled", "the end of the job")
    assert sim.state("one") == "BOOT_FAILURE"
    assert sim.where("one") == host, "something may be left there"
    sim.world.hosts.set_reachable(host, True)
    sim.await_host(host, 2)
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.assert_sound()


def test_recover_failure_cancels_the_job_under_way(sim: Sim) -> None:
    sim.world.faults.hang("*", "datastore.create_disk")
    job = started(sim)
    hanging(sim)
    sim.engine.vms.recover("one", "failure", CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"


def test_a_cancelled_migration_leaves_the_guest_where_it_was(sim: Sim) -> None:
    sim.add_vm("one")
    source = sim.where("one")
    target = next(name for name in ("h1", "h2", "h3") if name != source)
    sim.world.set("migration_seconds", 3600.0)
    job = sim.engine.vms.migrate("one", target, CALL, live=True).job_id
    until(lambda: sim.job(job).state == "running", "the migration")
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [source])
    sim.assert_sound()


# --- stop and go on


def test_what_an_engine_left_the_next_one_ends(sim: Sim) -> None:
    order = sim.world.faults.hang("*", "datastore.create_disk")
    job = started(sim)
    hanging(sim)
    sim.world.faults.set_latency("*", "datastore.write_context", 0.01)
    sim.restart()
    sim.world.faults.release(order)
    sim.settle()
    assert sim.job(job).state == "done"
    assert sim.state("one") == "RUNNING"
    assert sim.world.audit.operations("hypervisor.start") == 1
    sim.assert_sound()


def test_a_parked_job_is_durable(sim: Sim) -> None:
    sim.world.faults.hang("*", "datastore.create_disk")
    job = started(sim)
    hanging(sim)
    sim.engine.runner.stop("test")
    row = sim.job(job)
    assert (row.state, row.direction, row.cancel) == ("ready", "forward", 0)
    assert sim.state("one") == "PROLOG"


# --- a host that does not answer


def test_a_job_waits_for_its_host_and_goes_on_when_it_is_back(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    sim.world.hosts.set_reachable(host, False)
    sim.await_host(host, 3)
    sim.await_state("one", "UNKNOWN")
    job = sim.engine.vms.poweroff("one", CALL, hard=True).job_id
    until(lambda: sim.job(job).state == "waiting" and sim.job(job).attempt > 2, "a job that tries again")
    assert sim.job(job).error["code"] == "unreachable"
    told = [line.text for line in sim.engine.jobs.log(job) if " waits: " in line.text]
    assert len(told) == 1, "a host may be silent for months: a line a silence, not one an attempt"
    assert sim.state("one") == "SHUTDOWN_POWEROFF"
    sim.world.hosts.set_reachable(host, True)
    until(lambda: sim.job(job).state == "done", "the end of the job")
    assert (sim.state("one"), sim.runs("one")) == ("POWEROFF", [])


def await_waiting(sim: Sim, job: int) -> None:
    until(lambda: sim.job(job).state == "waiting", "a job that waits")


def test_a_host_that_is_back_wakes_the_jobs_that_wait_for_it_and_no_other(home: Path) -> None:
    patient = msgspec.structs.replace(SETTINGS, retry_first=3600.0, retry_most=3600.0)
    with sim_engine(home, furnished=False, settings=patient) as sim:
        jobs = {}
        for host in ("h1", "h2", "h3"):
            sim.add_vm(f"on-{host}", HOST=host)
        for host in ("h1", "h2"):
            sim.world.hosts.set_reachable(host, False)
            sim.await_host(host, 3)
            sim.await_state(f"on-{host}", "UNKNOWN")
            jobs[host] = sim.engine.vms.poweroff(f"on-{host}", CALL, hard=True).job_id
            await_waiting(sim, jobs[host])
        sim.restart()
        sim.await_host("h3", 2)
        assert [sim.job(number).attempt for number in jobs.values()] == [1, 1], "the host that answers is none of theirs"
        sim.world.hosts.set_reachable("h1", True)
        until(lambda: sim.job(jobs["h1"]).state == "done", "the end of the job on h1")
        assert (sim.job(jobs["h2"]).state, sim.job(jobs["h2"]).attempt) == ("waiting", 1)
        sim.world.hosts.set_reachable("h2", True)
        until(lambda: sim.job(jobs["h2"]).state == "done", "the end of the job on h2")


def test_a_job_that_waits_for_nobody_knows_what_is_tried_by_any_host(home: Path) -> None:
    patient = msgspec.structs.replace(SETTINGS, retry_first=3600.0, retry_most=3600.0)
    with sim_engine(home, furnished=False, settings=patient) as sim:
        sim.add_vm("one", HOST="h1")
        order = sim.world.faults.error("h1", "hypervisor.destroy", "unreachable", FOREVER)
        number = sim.engine.vms.poweroff("one", CALL, hard=True).job_id
        await_waiting(sim, number)
        row = sim.job(number)
        row.facts = {key: value for key, value in row.facts.items() if key != "awaited"}  # as an older program left it
        sim.engine.services.store.write(lambda tx: tx.swap(row, facts=row.facts))
        sim.world.faults.release(order)
        sim.world.hosts.set_reachable("h2", False)
        sim.restart()
        until(lambda: sim.job(number).state == "done", "the end of the job")
        assert sim.state("one") == "POWEROFF"


def test_a_job_gives_up_and_goes_back(home: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, give_up_after=0.1)
    with sim_engine(home, furnished=False, settings=settings) as sim:
        order = sim.world.faults.error("*", "hypervisor.start", "unreachable", FOREVER)
        job = started(sim)
        until(lambda: sim.job(job).state == "failed", "the end of the job")
        sim.world.faults.release(order)
        assert sim.state("one") == "BOOT_FAILURE"
        assert sim.job(job).error["step"] == "start domain"
        sim.assert_sound()
        sim.engine.vms.recover("one", "retry", CALL)
        sim.settle()
        assert sim.state("one") == "RUNNING"
        sim.assert_sound()


# --- failures


def test_a_failing_step_is_undone_and_explained(sim: Sim) -> None:
    sim.world.faults.error("*", "hypervisor.start", "command", words="qemu: no such machine")
    job = started(sim)
    sim.settle()
    assert sim.state("one") == "BOOT_FAILURE"
    assert "qemu: no such machine" in sim.vm("one").reason
    assert sim.job(job).error["step"] == "start domain"
    assert any("start domain failed" in line.text for line in sim.engine.jobs.log(job))
    assert sim.where("one") == ""
    sim.assert_sound()


@pytest.mark.parametrize(
    ("verb", "fault", "undo", "stuck"),
    [
        ("migrate-live", "hypervisor.migrate", "hypervisor.abort_migration", "UNKNOWN"),
        ("migrate", "datastore.move_vm", "datastore.remove_vm", "PROLOG_MIGRATE_FAILURE"),
    ],
)
def test_a_failing_undo_leads_to_the_stuck_place(sim: Sim, verb: str, fault: str, undo: str, stuck: str) -> None:
    sim.add_vm("one")
    sim.world.faults.error("*", fault, "command")
    order = sim.world.faults.error("*", undo, "command", FOREVER)
    job = sim.engine.vms.migrate("one", "", CALL, live=verb == "migrate-live").job_id
    until(lambda: sim.job(job).state == "failed", "the end of the job")
    states = {event.body["after"] for event in sim.engine.events.list() if event.kind == "vm.state"}
    assert stuck in states
    sim.world.faults.release(order)
    if sim.state("one") != "RUNNING" and sim.state("one") != "UNKNOWN":
        sim.engine.vms.recover("one", "retry", CALL)
    sim.await_state("one", "RUNNING")
    sim.settle()
    sim.engine.vms.terminate("one", CALL, hard=True)
    sim.settle()
    sim.assert_sound()


def test_a_fault_of_our_own_is_a_failure_with_a_report_to_make(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    from nebula.engine.jobs.operations import common

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(common, "make_disks", broken)
    job = started(sim)
    sim.settle()
    row = sim.job(job)
    assert row.state == "failed"
    assert "ZeroDivisionError" in row.error["cause"]
    assert "support" in row.error["hint"]
    assert any("Traceback" in line.text for line in sim.engine.jobs.log(job))


def test_one_failing_vm_does_not_hold_its_neighbours(sim: Sim) -> None:
    sim.engine.vms.create(template("bad"), CALL, hold=True)
    sim.world.faults.hang("*", "hypervisor.start", subject=sim.vm("bad").uuid)
    sim.engine.vms.deploy("bad", "h1", CALL)
    hanging(sim)
    for number in range(8):
        sim.engine.vms.create(template(f"good{number}"), CALL)
    for number in range(8):
        sim.await_state(f"good{number}", "RUNNING")
    assert sim.state("bad") in {"PROLOG", "BOOT"}


# --- limits


@pytest.mark.parametrize("limit", [1, 2])
def test_starts_of_a_host_are_limited(home: Path, limit: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, starts_per_host=limit)
    with sim_engine(home, furnished=False, settings=settings) as sim:
        order = sim.world.faults.hang("h1", "hypervisor.start", times=FOREVER)
        for number in range(4):
            sim.engine.vms.create(template(f"vm{number}"), CALL, hold=True)
            sim.engine.vms.deploy(f"vm{number}", "h1", CALL)
        hanging(sim, limit)
        held = sim.engine.runner.locks_held()
        assert held[f"host:{sim.host('h1').id}:start"] == limit
        assert len(sim.world.faults.hanging()) == limit
        assert sum(1 for row in sim.rows(JobRow, "\"kind\"='vm.deploy'") if row.state == "running") == limit
        sim.world.faults.release(order)
        sim.settle()
        assert all(sim.state(f"vm{number}") == "RUNNING" for number in range(4))


def test_an_evacuation_ends_with_a_single_worker(home: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, workers=2)
    with sim_engine(home, furnished=False, settings=settings) as sim:
        sim.add_vm("one", HOST="h1")
        sim.engine.hosts.evacuate("h1", CALL)
        sim.settle()
        assert sim.where("one") != "h1"


def test_a_job_whose_time_has_come_is_never_overlooked(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between being due and being known it is at hand: who asks in that moment whether all is done must not be told so."""
    runner, seen = sim.engine.runner, []
    submit = runner.submit

    def look_first(job: JobRow) -> None:
        if job.state == "waiting":
            seen.append(runner.busy())
        submit(job)

    monkeypatch.setattr(runner, "submit", look_first)
    sim.add_vm("one", HOST="h1")
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    assert sim.where("one") != "h1"
    assert seen
    assert all(seen)


# --- asked for twice


def test_the_same_key_gets_the_same_answer_and_nothing_is_done_twice(sim: Sim) -> None:
    call = Call(actor="tester", key="key-1")
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(sim.engine.vms.create(template("one"), call))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    assert len(set(map(str, answers))) == 1
    sim.settle()
    assert len(sim.rows(VmRow)) == 1
    sim.restart()
    assert sim.engine.vms.create(template("one"), call) == answers[0]
    assert len(sim.rows(VmRow)) == 1


def test_a_refused_call_is_not_remembered(sim: Sim) -> None:
    call = Call(actor="tester", key="key-2")
    with pytest.raises(ConflictError):
        sim.engine.networks.hold("lan", _take(sim), call)
    sim.engine.networks.release("lan", "10.9.0.20", CALL)
    sim.engine.networks.hold("lan", "10.9.0.20", call)
    assert sim.network("lan").used_leases == 1


def _take(sim: Sim) -> str:
    sim.engine.networks.hold("lan", "10.9.0.20", CALL)
    return "10.9.0.20"

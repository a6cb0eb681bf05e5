"""`vm recover` in all its forms, from every state that each of them knows."""

from __future__ import annotations

from typing import Literal

import pytest

from nebula.engine.lifecycle.states import ImageState
from nebula.engine.lifecycle.table import sources_of
from nebula.engine.store.rows import ImageRow, JobRow
from nebula.errors import ConflictError
from tests.support.sim import CALL, HOSTS, Sim, until

Way = Literal["failure", "success", "retry", "delete", "recreate", "delete-db"]


def fail(sim: Sim, verb: str, *faults: str) -> str:
    """A VM "one" whose verb met these faults; the state in which it is."""
    sim.add_vm("one")
    if verb.startswith("return-"):
        before = verb.removeprefix("return-")
        getattr(sim.engine.vms, before)("one", CALL)
        sim.settle()
    for fault in faults:
        sim.world.order_fault("*", fault, "command")
    if verb.startswith("return-"):
        sim.engine.vms.resume("one", CALL)
    else:
        getattr(sim.engine.vms, verb)("one", CALL)
    sim.settle()
    return sim.state("one")


def recover(sim: Sim, way: Way) -> None:
    sim.engine.vms.recover("one", way, CALL)
    sim.settle()


@pytest.mark.parametrize(
    ("verb", "faults", "failed", "way", "end"),
    [
        ("terminate", ("datastore.remove_vm",), "EPILOG_FAILURE", "retry", "DONE"),
        ("undeploy", ("hypervisor.undefine",), "EPILOG_UNDEPLOY_FAILURE", "retry", "UNDEPLOYED"),
        ("undeploy", ("hypervisor.undefine",), "EPILOG_UNDEPLOY_FAILURE", "failure", "POWEROFF"),
        ("undeploy", ("hypervisor.undefine",), "EPILOG_UNDEPLOY_FAILURE", "delete", "DONE"),
        ("stop", ("hypervisor.undefine", "hypervisor.restore"), "EPILOG_STOP_FAILURE", "retry", "STOPPED"),
        ("stop", ("hypervisor.undefine", "hypervisor.restore"), "EPILOG_STOP_FAILURE", "failure", "POWEROFF"),
        ("stop", ("hypervisor.undefine", "hypervisor.restore"), "EPILOG_STOP_FAILURE", "recreate", "RUNNING"),
        ("return-stop", ("network.prepare",), "PROLOG_RESUME_FAILURE", "retry", "RUNNING"),
        ("return-stop", ("network.prepare",), "PROLOG_RESUME_FAILURE", "failure", "STOPPED"),
        ("return-stop", ("hypervisor.restore",), "BOOT_STOPPED_FAILURE", "recreate", "RUNNING"),
        ("return-undeploy", ("network.prepare",), "PROLOG_UNDEPLOY_FAILURE", "failure", "UNDEPLOYED"),
        ("return-undeploy", ("hypervisor.start",), "BOOT_UNDEPLOY_FAILURE", "retry", "RUNNING"),
        ("return-undeploy", ("hypervisor.start",), "BOOT_UNDEPLOY_FAILURE", "delete", "DONE"),
    ],
)
def test_out_of_a_failure(sim: Sim, verb: str, faults: tuple[str, ...], failed: str, way: Way, end: str) -> None:
    assert fail(sim, verb, *faults) == failed
    recover(sim, way)
    if end == "POWEROFF" and verb == "stop":
        sim.await_state("one", end)  # its host says what it is
    assert sim.state("one") == end
    sim.assert_sound()


@pytest.mark.parametrize(
    ("verb", "faults", "end"),
    [
        ("undeploy", ("hypervisor.undefine",), "UNDEPLOYED"),
        ("stop", ("hypervisor.undefine", "hypervisor.restore"), "STOPPED"),
    ],
)
def test_it_did_work_says_a_person_who_made_it_so(sim: Sim, verb: str, faults: tuple[str, ...], end: str) -> None:
    fail(sim, verb, *faults)
    host = sim.where("one")
    sim.world.virsh(host, "undefine", sim.vm("one").uuid)
    recover(sim, "success")
    assert (sim.state("one"), sim.where("one")) == (end, "")
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_what_is_on_no_host_does_not_run(sim: Sim) -> None:
    assert fail(sim, "return-undeploy", "hypervisor.start") == "BOOT_UNDEPLOY_FAILURE"
    with pytest.raises(ConflictError, match="on no host"):
        sim.engine.vms.recover("one", "success", CALL)


def test_a_return_that_could_not_be_undone_runs_if_a_person_says_so(sim: Sim) -> None:
    faults = ("network.plugged", "hypervisor.destroy")
    assert fail(sim, "return-undeploy", *faults) == "BOOT_UNDEPLOY_FAILURE"
    assert sim.where("one")
    recover(sim, "success")
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [sim.where("one")])


def test_one_that_ended_badly_is_forgotten_when_a_person_cleared_up(sim: Sim) -> None:
    fail(sim, "terminate", "datastore.remove_vm")
    recover(sim, "success")
    assert sim.state("one") == "DONE"
    assert sim.network("lan").used_leases == 0


def test_a_job_that_waits_for_its_host_is_tried_now_or_given_up(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    sim.world.hosts.set_libvirtd(host, up=False)
    job = sim.engine.vms.poweroff("one", CALL).job_id
    until(lambda: sim.job(job).state == "waiting", "the job to wait")
    assert sim.engine.vms.recover("one", "retry", CALL).job_id == job
    sim.engine.vms.recover("one", "failure", CALL)
    until(lambda: sim.job(job).state == "cancelled", "the job's end")
    sim.world.hosts.set_libvirtd(host, up=True)
    sim.settle()
    assert sim.runs("one") == [host]


def test_one_that_waits_with_its_disks_begins_anew_without_them(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.stop("one", CALL)
    sim.settle()
    for name in HOSTS:
        sim.engine.hosts.disable(name, CALL)
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    recover(sim, "recreate")
    assert (sim.state("one"), sim.vm("one").kept_on) == ("PENDING", -1)
    sim.assert_sound()


def test_images_that_failed_are_looked_at_again(sim: Sim) -> None:
    sim.world.order_fault("*", "datastore.take_in", "command")
    sim.world.faults.hang("*", "transport.upload")
    picture = sim.home / "picture.raw"
    picture.write_bytes(bytes(1 << 20))
    sim.engine.images.create({"name": "late", "path": str(picture), "format": "raw", "datastore": "disks"}, CALL)
    sim.engine.vms.create({"NAME": "one", "MEMORY": 64, "DISK": [{"IMAGE": "late"}]}, CALL)
    sim.await_state("one", "CLONING")
    sim.world.faults.release()
    sim.world.order_fault("*", "datastore.take_in", "command")
    sim.settle()
    if sim.state("one") != "CLONING_FAILURE":
        pytest.fail(f"it is {sim.state('one')}")
    with pytest.raises(ConflictError, match="cannot be used"):
        sim.engine.vms.recover("one", "retry", CALL)
    row = sim.rows(ImageRow, '"name"=?', ("late",))[0]
    sim.engine.services.store.write(lambda tx: tx.swap(tx.get(ImageRow, row.id), state=int(ImageState.READY)))
    sim.engine.vms.recover("one", "retry", CALL)
    assert sim.state("one") != "CLONING_FAILURE"


def test_every_form_has_its_states() -> None:
    for way in ("failure", "success", "retry", "delete", "recreate", "delete-db"):
        assert sources_of(f"recover-{way}"), way


def test_no_job_is_left_by_what_touches_no_host(sim: Sim) -> None:
    sim.add_vm("one")
    before = len(sim.rows(JobRow))
    recover(sim, "delete-db")
    assert (sim.state("one"), len(sim.rows(JobRow))) == ("DONE", before)

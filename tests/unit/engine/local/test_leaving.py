"""VMs that are suspended, stopped, undeployed: what they keep, what they free, and how they come back."""

from __future__ import annotations

import msgspec
import pytest

from nebula.engine.store.rows import HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError, ConflictError, WrongStateError
from tests.support.sim import CALL, HOSTS, Sim, sim_engine, until


def do(sim: Sim, verb: str, name: str = "one", **options: object) -> None:
    """The verb, and its end."""
    getattr(sim.engine.vms, verb)(name, CALL, **options)
    sim.settle()


def other(sim: Sim, name: str) -> str:
    """A host that is not that one."""
    return next(host for host in HOSTS if host != name)


def test_a_suspended_vm_keeps_its_place_and_its_host_says_so(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    do(sim, "suspend")
    assert (sim.state("one"), sim.where("one"), sim.runs("one"), sim.vm("one").reason) == ("SUSPENDED", host, [], "by tester")
    assert sim.engine.hosts.show(host).body["memory_mib"]["promised"] == 128
    assert sim.engine.vms.show("one", refresh=True).body["state"] == "SUSPENDED"
    do(sim, "resume")
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [host])
    sim.assert_sound()


def test_a_saved_memory_outlives_its_host_and_nothing_is_started_by_itself(sim: Sim) -> None:
    sim.add_vm("one", AUTOSTART="YES")
    host = sim.where("one")
    do(sim, "suspend")
    sim.world.hosts.cut_power(host)
    sim.await_state("one", "UNKNOWN")
    sim.world.hosts.power_on(host)
    sim.await_state("one", "SUSPENDED")
    sim.settle()
    assert sim.runs("one") == []
    do(sim, "resume")
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


@pytest.mark.parametrize(("leave", "place"), [("stop", "STOPPED"), ("undeploy", "UNDEPLOYED")])
@pytest.mark.parametrize("shared", [False, True])
def test_a_vm_leaves_its_host_and_comes_back_elsewhere(home, leave: str, place: str, shared: bool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with sim_engine(tmp_path / "own", shared=shared) as sim:
        sim.add_vm("one")
        host = sim.where("one")
        do(sim, leave)
        assert (sim.state("one"), sim.where("one"), sim.runs("one")) == (place, "", [])
        assert sim.world.domains.everywhere(sim.vm("one").uuid) == []
        assert sim.engine.hosts.show(host).body["memory_mib"]["promised"] == 0
        assert sim.engine.vms.show("one").body["disks_on"] == ("shared storage" if shared else host)
        described = sim.engine.vms.describe("one").body
        assert (bool(described["disks_on"]), described["memory_kept"]) == (True, leave == "stop")
        sim.assert_sound()
        sim.engine.vms.deploy("one", other(sim, host), CALL)
        sim.settle()
        assert (sim.state("one"), sim.runs("one"), sim.vm("one").kept_on) == ("RUNNING", [other(sim, host)], -1)
        assert sim.world.audit.violations() == []
        sim.assert_sound()


def test_a_suspended_vm_can_be_stopped_and_the_scheduler_places_it_anew(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "suspend")
    do(sim, "stop")
    assert sim.state("one") == "STOPPED"
    do(sim, "resume")
    assert sim.state("one") == "RUNNING"
    assert not sim.vm("one").body["memory"]
    sim.assert_sound()


def test_it_comes_back_to_where_its_disks_are_although_other_hosts_are_emptier(sim: Sim) -> None:
    host = sim.add_vm("one").host_id
    do(sim, "stop")
    sim.add_vm("two", HOST=str(host))
    do(sim, "resume")
    assert (sim.vm("one").host_id, sim.vm("two").host_id) == (host, host)
    sim.assert_sound()


@pytest.mark.parametrize("leave", ["stop", "undeploy"])
@pytest.mark.parametrize("end", ["terminate", "delete"])
def test_nothing_is_left_of_one_that_ends_while_it_waits_to_come_back(sim: Sim, leave: str, end: str) -> None:
    sim.add_vm("one")
    do(sim, leave)
    for name in HOSTS:
        sim.engine.hosts.disable(name, CALL)
    do(sim, "resume")
    assert sim.state("one") == "PENDING"
    if end == "terminate":
        do(sim, "terminate")
    else:
        sim.engine.vms.recover("one", "delete", CALL)
        sim.settle()
    assert sim.state("one") == "DONE"
    sim.assert_sound()


def test_a_stopped_vm_is_recreated_without_its_memory(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "stop")
    sim.engine.vms.recover("one", "recreate", CALL)
    sim.settle()
    assert (sim.state("one"), sim.vm("one").kept_on) == ("RUNNING", -1)
    sim.assert_sound()


def test_a_return_that_fails_can_be_tried_again_or_given_up(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    do(sim, "stop")
    target = other(sim, host)
    sim.world.order_fault(target, "hypervisor.restore", "command")
    sim.engine.vms.deploy("one", target, CALL)
    sim.settle()
    assert (sim.state("one"), sim.where("one")) == ("BOOT_STOPPED_FAILURE", "")
    sim.engine.vms.recover("one", "failure", CALL)
    assert sim.state("one") == "STOPPED"
    sim.world.order_fault(target, "datastore.move_vm", "command")
    sim.engine.vms.deploy("one", target, CALL)
    sim.settle()
    assert sim.state("one") == "PROLOG_RESUME_FAILURE"
    sim.assert_sound()
    sim.engine.vms.recover("one", "retry", CALL)
    sim.settle()
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [target])
    sim.assert_sound()


def test_an_undeploy_that_fails_can_be_tried_again_or_given_up(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    for way, state in (("failure", "POWEROFF"), ("retry", "UNDEPLOYED")):
        sim.world.order_fault(host, "hypervisor.undefine", "command")
        do(sim, "undeploy")
        assert (sim.state("one"), sim.where("one")) == ("EPILOG_UNDEPLOY_FAILURE", host)
        sim.engine.vms.recover("one", way, CALL)  # type: ignore[arg-type]
        sim.settle()
        assert sim.state("one") == state
    sim.assert_sound()


def test_a_stop_that_cannot_be_undone_is_ended_by_a_retry(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    sim.world.order_fault(host, "hypervisor.undefine", "command")
    sim.world.order_fault(host, "hypervisor.restore", "command")
    do(sim, "stop")
    assert sim.state("one") == "EPILOG_STOP_FAILURE"
    sim.engine.vms.recover("one", "retry", CALL)
    sim.settle()
    assert sim.state("one") == "STOPPED"
    do(sim, "resume")
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_what_cannot_be_kept_is_refused_with_the_reason(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    sim.add_vm("bare", DISK=None, NIC=None)
    with pytest.raises(ConflictError, match="cannot be stopped") as caught:
        sim.engine.vms.stop("bare", CALL)
    assert "undeploy" in caught.value.hint
    do(sim, "undeploy", "bare")
    do(sim, "resume", "bare")
    assert sim.state("bare") == "RUNNING"
    from nebula.drivers.sim import hypervisor

    without = msgspec.structs.replace(hypervisor.CAPABILITIES, saves_memory=False)
    monkeypatch.setattr(hypervisor, "CAPABILITIES", without)
    for verb in (sim.engine.vms.suspend, sim.engine.vms.stop):
        with pytest.raises(ConflictError, match="cannot be suspended or stopped"):
            verb("bare", CALL)


def test_a_host_that_has_the_disks_of_a_stopped_vm_is_not_let_go_of(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    do(sim, "stop")
    with pytest.raises(ConflictError, match="has VMs"):
        sim.engine.hosts.remove(host, CALL)
    sim.world.hosts.cut_power(host)
    sim.await_host(host, 3)
    sim.engine.hosts.remove(host, CALL, force=True)
    sim.settle()
    vm = sim.vm("one")
    assert (sim.state("one"), vm.kept_on, vm.body["memory"]) == ("HOLD", -1, False)


def test_what_is_kept_stays_in_its_cluster(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "stop")
    sim.engine.clusters.create("far", CALL)
    sim.add_hosts("f1", cluster="far")
    with pytest.raises(ConflictError, match="another cluster"):
        sim.engine.vms.deploy("one", "f1", CALL)
    for name in HOSTS:
        sim.engine.hosts.disable(name, CALL)
    do(sim, "resume")
    assert sim.state("one") == "PENDING"


def test_a_persistent_image_goes_with_a_vm_that_comes_back_elsewhere(sim: Sim) -> None:
    sim.add_image("kept", persistent=True)
    sim.add_vm("one", DISK=[{"IMAGE": "kept"}])
    host = sim.where("one")
    do(sim, "undeploy")
    target = other(sim, host)
    sim.engine.vms.deploy("one", target, CALL)
    sim.settle()
    assert sim.runs("one") == [target]
    assert sim.engine.images.show("kept").body["copies_on"] == [target]
    sim.assert_sound()


def test_a_marked_vm_moves_once(sim: Sim) -> None:
    sim.add_vm("one")
    host = sim.where("one")
    do(sim, "resched")
    assert sim.where("one") != host
    assert sim.vm("one").resched == 0
    do(sim, "poweroff")
    before = sim.where("one")
    do(sim, "resched")
    assert (sim.state("one"), sim.where("one") != before) == ("POWEROFF", True)
    do(sim, "undeploy")
    with pytest.raises(WrongStateError):
        sim.engine.vms.resched("one", CALL)


def test_who_was_moved_a_moment_ago_is_not_moved_back(sim: Sim) -> None:
    """The scheduler read that it is marked, and its migration ended before the scheduler's write had its turn."""
    sim.add_vm("one")
    do(sim, "resched")
    host, number = sim.where("one"), sim.vm("one").id
    with pytest.raises(ConflictError, match="is not marked"):
        sim.engine.services.store.write(lambda tx: sim.engine.vms.move_away(tx, number, CALL))
    sim.settle()
    assert sim.where("one") == host


def test_a_marked_vm_needs_no_event_to_be_tried_again(sim: Sim) -> None:
    sim.restart(msgspec.structs.replace(sim.settings, schedule_again=0.05))
    sim.add_vm("one")
    there, *others = [sim.host(name) for name in HOSTS if name != sim.where("one")]
    for host in (there, *others):
        sim.engine.hosts.disable(host.name, CALL)
    sim.engine.vms.resched("one", CALL)
    sim.settle()
    assert sim.vm("one").resched == 1

    def enable_unheard(tx: Transaction) -> None:
        tx.swap(tx.get(HostRow, there.id), state=there.state)

    sim.engine.services.store.write(enable_unheard)
    until(lambda: sim.where("one") == there.name, "the VM's other host")


def test_a_marked_vm_whose_migration_fails_is_tried_again(sim: Sim) -> None:
    sim.restart(msgspec.structs.replace(sim.settings, schedule_again=0.05))
    sim.add_vm("one")
    host = sim.where("one")
    sim.world.order_fault("*", "hypervisor.migrate", "command")
    sim.engine.vms.resched("one", CALL)
    until(lambda: sim.where("one") != host and sim.state("one") == "RUNNING", "the VM's other host")
    assert sim.vm("one").resched == 0
    assert [job.state for job in sim.rows(JobRow, '"kind" LIKE ?', ("%migrate%",))] == ["failed", "done"]


def test_a_suspended_vm_counts_and_a_stopped_one_does_not(sim: Sim) -> None:
    memory = sim.host("h1").memory_max
    sim.add_vm("one", HOST="h1", MEMORY=memory)
    sim.add_vm("two", HOST="h2", MEMORY=memory)
    do(sim, "suspend")
    do(sim, "stop", "two")
    with pytest.raises(CapacityError):
        sim.engine.vms.deploy("two", "h1", CALL)
    do(sim, "stop")
    sim.engine.vms.deploy("two", "h1", CALL)
    sim.settle()
    assert (sim.where("two"), sim.state("one")) == ("h1", "STOPPED")
    assert [vm.host_id for vm in sim.rows(VmRow, '"name"=?', ("one",))] == [-1]

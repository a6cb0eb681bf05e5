"""The scheduler at work: who waits and why, and that it goes on when something changes."""

from __future__ import annotations

from nebula.engine.store.rows import VmRow
from tests.support.sim import CALL, Sim, template, until


def test_a_vm_that_waits_is_placed_when_a_host_comes(bare: Sim) -> None:
    bare.engine.vms.create({"NAME": "one"}, CALL)
    bare.settle()
    assert bare.state("one") == "PENDING"
    assert bare.engine.vms.describe("one").body["waiting"]["summary"] == "there are no hosts"
    bare.add_hosts("h1")
    bare.await_state("one", "RUNNING")
    bare.settle()
    assert bare.engine.vms.describe("one").body["last_job"]["actor"] == "scheduler"


def test_a_vm_that_waits_is_placed_when_another_one_leaves(sim: Sim) -> None:
    for name in ("h1", "h2"):
        sim.engine.hosts.disable(name, CALL)
    sim.add_vm("first", MEMORY=65536)
    sim.add_vm("second", MEMORY=65536)
    waiting = sim.engine.vms.describe("second").body["waiting"]
    assert waiting["summary"] == "3 hosts: 2 disabled, 1 short of memory by 65536 MiB"
    assert set(waiting["hosts"]) == {"h1", "h2", "h3"}
    sim.engine.vms.terminate("first", CALL)
    sim.await_state("second", "RUNNING")


def test_an_explanation_is_written_once(sim: Sim) -> None:
    sim.add_vm("one", MEMORY="1T")
    generation = sim.vm("one").generation
    for _ in range(5):
        sim.engine.scheduler.poke()
        sim.settle()
    assert sim.vm("one").generation == generation


def test_many_at_once_never_overbook(sim: Sim) -> None:
    for number in range(20):
        sim.engine.vms.create({"NAME": f"vm{number}", "MEMORY": 20480, "CPU": 0.1}, CALL)
    sim.settle()
    placed = [vm for vm in sim.rows(VmRow) if vm.host_id > 0]
    assert len(placed) == 9
    for host in ("h1", "h2", "h3"):
        mine = [vm for vm in placed if vm.host_id == sim.host(host).id]
        assert sum(vm.memory for vm in mine) <= sim.host(host).memory_max


def test_networks_and_datastores_limit_the_hosts(sim: Sim) -> None:
    sim.engine.clusters.create("east", CALL)
    sim.engine.hosts.update("h3", {"cluster": "east"}, CALL)
    sim.settle()
    sim.engine.networks.create(
        {"name": "there", "driver": "sim", "cluster": "east", "ranges": [{"IP": "10.6.0.1-10.6.0.9"}]}, CALL
    )
    sim.engine.datastores.create({"name": "here", "driver": "sim", "cluster": "default"}, CALL)
    sim.engine.images.create({"name": "near", "size": 1 << 20, "datastore": "here"}, CALL)
    sim.settle()
    sim.add_vm("one", NIC=[{"NETWORK": "there"}])
    assert sim.where("one") == "h3"
    sim.engine.vms.create(template("two", NIC=[{"NETWORK": "there"}], DISK=[{"IMAGE": "near"}]), CALL)
    sim.settle()
    assert "share no cluster" in sim.engine.vms.describe("two").body["waiting"]["hosts"]["h1"]


def test_a_reason_of_which_figures_changed_is_not_written_again_for_all_that_wait(sim: Sim) -> None:
    for name in ("h1", "h2"):
        sim.engine.hosts.disable(name, CALL)
    for number in range(5):
        sim.engine.vms.create(template(f"large-{number}", MEMORY=60_000_000), CALL)
    sim.settle()
    told = sim.engine.events.last()
    for number in range(3):
        sim.add_vm(f"small-{number}")
    again = [event for event in sim.engine.events.list(told, 10_000) if event.kind == "vm.waits"]
    assert again == [], "three VMs were placed, and each made five reasons out of date by some MiB"
    free = sim.host("h3").memory_max - 3 * 128
    assert f"{free} MiB free" in sim.engine.vms.describe("large-0").body["waiting"]["hosts"]["h3"]
    sim.engine.hosts.disable("h3", CALL)
    until(lambda: sim.vm("large-4").reason == "3 hosts: 3 disabled", "another reason")

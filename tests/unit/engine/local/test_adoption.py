"""Domains that somebody else made become VMs with nothing changed on their host, and are let go of again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nebula.engine.lifecycle.table import TABLE
from nebula.engine.local.adoption import require_verb
from nebula.engine.machines.machine import machine_of
from nebula.errors import ConflictError, NotFoundError, UsageError
from tests.support.sim import CALL, DRY, Sim

KEPT = {"poweroff", "resume", "suspend", "reboot", "migrate-live", "terminate", "recover-delete", "recover-retry"}
DISK = "/var/lib/libvirt/images/mail.qcow2"


def adopted(sim: Sim, name: str = "mail", *, running: bool = True) -> str:
    """A domain that somebody made on h1, as a VM; its UUID."""
    uuid = sim.world.virsh.add_foreign("h1", name, running=running, vcpus=2, memory_mib=768)
    sim.engine.vms.adopt("h1", name, CALL)
    return uuid


def domain(sim: Sim, uuid: str) -> list[tuple[object, ...]]:
    return sim.world.db.all("SELECT * FROM domains WHERE uuid=?", uuid)


def has_disk(sim: Sim) -> bool:
    return bool(sim.world.db.all("SELECT 1 FROM files WHERE path=?", DISK))


def test_what_nobody_told_us_about_is_listed(sim: Sim) -> None:
    sim.add_vm("ours", HOST="h1")
    sim.world.virsh.add_foreign("h1", "mail", vcpus=2, memory_mib=768)
    sim.world.virsh.add_foreign("h1", "dns", running=False)
    first, second = sim.engine.hosts.domains("h1")
    assert (first.name, first.body["state"], second.name, second.body["state"]) == ("dns", "POWEROFF", "mail", "RUNNING")
    assert (second.body["vcpus"], second.body["memory_mib"], second.body["refused"]) == (2, 768, "")
    assert second.body["disks"][0]["path"] == DISK
    assert sim.engine.hosts.domains("h2") == []


@pytest.mark.parametrize(("running", "state"), [(True, "RUNNING"), (False, "POWEROFF")])
def test_an_adopted_domain_is_a_vm_and_nothing_changed_on_its_host(sim: Sim, *, running: bool, state: str) -> None:
    uuid = sim.world.virsh.add_foreign("h1", "mail", running=running, vcpus=2, memory_mib=768)
    before, changes = domain(sim, uuid), sim.world.db.all("SELECT count(*) FROM journal")
    assert "adopt domain mail" in sim.engine.vms.adopt("h1", "mail", DRY).would[0]
    accepted = sim.engine.vms.adopt("h1", uuid, CALL, "post")
    assert (accepted.name, sim.state("post"), sim.where("post")) == ("post", state, "h1")
    vm = sim.vm("post")
    assert (vm.uuid, vm.cpu, vm.vcpus, vm.memory, vm.owner) == (uuid, 200, 2, 768, "tester")
    assert domain(sim, uuid) == before
    assert sim.world.db.all("SELECT count(*) FROM journal") == changes
    assert sim.engine.hosts.domains("h1") == []
    assert sim.engine.vms.history("post").rows[0][2] == "adopt"
    shown = sim.engine.vms.show("post", refresh=True).body
    assert shown["adopted"]["disks"][0]["path"] == DISK
    assert shown["state"] == state


def test_a_paused_domain_is_suspended(sim: Sim) -> None:
    uuid = sim.world.virsh.add_foreign("h1", "mail")
    sim.world.virsh("h1", "suspend", uuid)
    sim.engine.vms.adopt("h1", "mail", CALL)
    assert sim.state("mail") == "SUSPENDED"
    sim.engine.vms.resume("mail", CALL)
    sim.settle()
    assert sim.state("mail") == "RUNNING"


def test_what_cannot_be_adopted_says_why(sim: Sim) -> None:
    adopted(sim)
    with pytest.raises(ConflictError, match="is VM mail"):
        sim.engine.vms.adopt("h1", "mail", CALL)
    ours = sim.add_vm("ours", HOST="h1")
    with pytest.raises(ConflictError, match="is VM ours"):
        sim.engine.vms.adopt("h1", ours.uuid, CALL)
    with pytest.raises(NotFoundError, match="no domain"):
        sim.engine.vms.adopt("h1", "ghost", CALL)
    with pytest.raises(NotFoundError):
        sim.engine.vms.adopt("h9", "mail", CALL)
    sim.engine.hosts.offline("h3", CALL)
    with pytest.raises(ConflictError, match="OFFLINE"):
        sim.engine.vms.adopt("h3", "mail", CALL)
    uuid = sim.world.virsh.add_foreign("h1", "passing")
    sim.world.db.run("UPDATE domains SET persistent=0 WHERE uuid=?", uuid)
    with pytest.raises(ConflictError, match="transient"):
        sim.engine.vms.adopt("h1", "passing", CALL)
    assert "transient" in sim.engine.hosts.domains("h1")[0].body["refused"]


def test_the_verbs_work_on_it_and_keep_its_definition(sim: Sim) -> None:
    uuid = adopted(sim)
    spec = sim.world.db.all("SELECT name, vm_id, spec FROM domains WHERE uuid=?", uuid)
    for verb, state in (("reboot", "RUNNING"), ("poweroff", "POWEROFF"), ("resume", "RUNNING"), ("suspend", "SUSPENDED"),
                        ("resume", "RUNNING")):  # fmt: skip
        getattr(sim.engine.vms, verb)("mail", CALL)
        sim.settle()
        assert sim.state("mail") == state, verb
    sim.engine.vms.rename("mail", "post", CALL)
    sim.engine.vms.update("post", {"COLOUR": "red"}, CALL)
    assert sim.world.db.all("SELECT name, vm_id, spec FROM domains WHERE uuid=?", uuid) == spec
    assert sim.world.audit.violations() == []


def test_what_would_take_it_from_its_disks_is_refused_with_the_reason(sim: Sim) -> None:
    adopted(sim)
    vms = sim.engine.vms
    acts: list[Callable[[], object]] = [
        lambda: vms.migrate("mail", "h2", CALL, live=True), lambda: vms.stop("mail", CALL),
        lambda: vms.undeploy("mail", CALL), lambda: vms.resched("mail", CALL),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(ConflictError) as caught:
            act()
        assert DISK in caught.value.cause
    with pytest.raises(ConflictError, match="has no context"):
        vms.update("mail", {"CONTEXT": {"COLOUR": "red"}}, CALL)
    with pytest.raises(ConflictError, match="cannot be made anew"):
        sim.engine.vms.recover("mail", "recreate", CALL)
    assert sim.state("mail") == "RUNNING"
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    assert sim.where("mail") == "h1"
    assert sim.state("mail") == "RUNNING"


def test_it_moves_alive_where_all_hosts_see_its_disks(sim: Sim) -> None:
    disk = "/var/lib/nebula/shared/99/mail.qcow2"
    uuid = sim.world.virsh.add_foreign("h1", "mail", disk=disk)
    sim.world.virsh.add_foreign("h2", "another", running=False)
    sim.engine.vms.adopt("h1", "mail", CALL)
    with pytest.raises(ConflictError, match="cannot leave its host"):
        sim.engine.vms.migrate("mail", "h2", CALL, live=True)
    spec = {"name": "nfs", "driver": "sim", "path": "/var/lib/nebula/shared/99", "settings": {"shared": "True"}}
    sim.engine.datastores.create(spec, CALL)
    with pytest.raises(ConflictError, match="only be migrated live"):
        sim.engine.vms.migrate("mail", "h2", CALL)
    sim.engine.vms.migrate("mail", "h2", CALL, live=True)
    sim.settle()
    assert (sim.where("mail"), sim.state("mail")) == ("h2", "RUNNING")
    assert sim.world.db.all("SELECT host, name, vm_id FROM domains WHERE uuid=?", uuid) == [("h2", "mail", None)]
    sim.engine.vms.poweroff("mail", CALL)
    sim.settle()
    sim.engine.vms.resume("mail", CALL)
    sim.settle()
    assert (sim.where("mail"), sim.state("mail")) == ("h2", "RUNNING")
    assert sim.world.audit.violations() == []


def test_no_verb_changes_what_it_is_made_of(sim: Sim) -> None:
    adopted(sim)
    vm = sim.vm("mail")
    for verb in {row.verb for row in TABLE if row.job} - KEPT:
        with pytest.raises(ConflictError, match="was adopted"):
            require_verb(vm, verb)
    for verb in KEPT:
        require_verb(vm, verb)
    require_verb(sim.add_vm("ours"), "migrate")


@pytest.mark.parametrize("running", [True, False])
def test_its_hardware_is_somebody_elses(sim: Sim, *, running: bool) -> None:
    adopted(sim, running=running)
    vms, before = sim.engine.vms, sim.vm("mail")
    acts: list[Callable[[], object]] = [
        lambda: vms.resize("mail", {"CPU": "1"}, CALL), lambda: vms.disk_attach("mail", {"SIZE": "10"}, CALL),
        lambda: vms.disk_detach("mail", "0", CALL), lambda: vms.disk_resize("mail", "0", 99999, CALL),
        lambda: vms.cd_change("mail", "", CALL), lambda: vms.nic_attach("mail", {"NETWORK": "lan"}, CALL),
        lambda: vms.nic_detach("mail", "0", CALL), lambda: vms.nic_update("mail", "0", {"INBOUND_AVG_BW": "1"}, CALL),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(ConflictError, match="was adopted"):
            act()
    assert sim.vm("mail").generation == before.generation


def test_a_database_with_an_adopted_vm_is_sound(sim: Sim) -> None:
    adopted(sim)
    assert [finding for finding in sim.engine.system.check() if finding.level == "error"] == []


def test_its_room_is_taken(sim: Sim) -> None:
    adopted(sim)
    assert sim.engine.hosts.show("h1").body["memory_mib"]["promised"] == 768


def test_the_monitor_follows_an_adopted_domain_and_leaves_a_foreign_one(sim: Sim) -> None:
    mine, theirs = adopted(sim), sim.world.virsh.add_foreign("h1", "theirs")
    for uuid in (mine, theirs):
        sim.world.virsh("h1", "destroy", uuid)
    sim.await_state("mail", "POWEROFF")
    assert sim.vm("mail").reason == "destroyed"
    for uuid in (mine, theirs):
        sim.world.virsh("h1", "start", uuid)
    sim.await_state("mail", "RUNNING")
    sim.restart()
    assert sim.state("mail") == "RUNNING"
    assert len(sim.rows(type(sim.vm("mail")))) == 1
    sim.world.virsh("h1", "destroy", mine)
    sim.await_state("mail", "POWEROFF")
    sim.world.virsh("h1", "undefine", mine)
    sim.engine.vms.resume("mail", CALL)
    sim.settle()
    assert "no domain" in sim.engine.vms.describe("mail").body["last_job"]["error"]["message"]


def test_figures_of_an_adopted_domain_are_the_vms(sim: Sim) -> None:
    adopted(sim)
    vm = sim.vm("mail")
    from tests.support.sim import until

    until(lambda: any(row[0] == vm.id for row in sim.engine.metrics.top("vm").rows), "its figures")
    assert [row[0] for row in sim.engine.metrics.top("vm").rows] == [vm.id], "and of nobody else"


def test_letting_go_leaves_it_running_and_another_one_can_take_it(sim: Sim) -> None:
    uuid = adopted(sim)
    before = domain(sim, uuid)
    assert sim.engine.vms.disown("mail", DRY).would
    sim.engine.vms.disown("mail", CALL)
    assert domain(sim, uuid) == before
    assert sim.vm("mail").state == 6
    assert [item.name for item in sim.engine.hosts.domains("h1")] == ["mail"]
    sim.world.virsh("h1", "destroy", uuid)
    sim.restart()
    sim.engine.hosts.show("h1", refresh=True)
    assert domain(sim, uuid), "a definition of somebody else's stays"
    sim.engine.vms.adopt("h1", "mail", CALL)
    assert sim.state("mail") == "POWEROFF"


def test_only_what_was_adopted_is_let_go_of(sim: Sim) -> None:
    sim.add_vm("ours")
    with pytest.raises(ConflictError, match="made by nebula"):
        sim.engine.vms.disown("ours", CALL)
    assert "disown" not in sim.engine.vms.describe("ours").body["allowed"]
    adopted(sim)
    assert "disown" in sim.engine.vms.describe("mail").body["allowed"]


@pytest.mark.parametrize("way", ["terminate", "delete", "delete-db"])
def test_its_disks_stay_unless_told_otherwise(sim: Sim, way: str) -> None:
    uuid = adopted(sim)
    if way == "terminate":
        sim.engine.vms.terminate("mail", CALL)
    else:
        sim.engine.vms.recover("mail", way, CALL)  # type: ignore[arg-type]
    sim.settle()
    assert sim.vm("mail").state == 6
    assert has_disk(sim)
    assert bool(domain(sim, uuid)) == (way == "delete-db")


def test_its_disks_go_where_somebody_says_so(sim: Sim) -> None:
    adopted(sim)
    sim.engine.vms.terminate("mail", CALL, delete_disks=True)
    sim.settle()
    assert sim.vm("mail").state == 6
    assert not has_disk(sim)


def test_a_disk_that_another_domain_has_is_not_deleted(sim: Sim) -> None:
    adopted(sim)
    sim.world.virsh.add_foreign("h1", "twin", running=False, disk=DISK)
    sim.engine.vms.terminate("mail", CALL, delete_disks=True)
    sim.settle()
    assert has_disk(sim)
    assert sim.state("mail") == "EPILOG_FAILURE"


def test_a_host_that_is_gone_for_good_takes_it_along(sim: Sim) -> None:
    adopted(sim)
    sim.world.hosts.cut_power("h1")
    sim.await_state("mail", "UNKNOWN")
    sim.engine.hosts.remove("h1", CALL, force=True)
    assert sim.vm("mail").state == 6


def test_a_template_that_means_a_domain_makes_no_vm(sim: Sim) -> None:
    with pytest.raises(UsageError, match="ADOPT takes up a domain and makes no VM"):
        sim.engine.vms.create({"NAME": "mail", "ADOPT": {"HOST": "h1", "DOMAIN": "mail"}}, CALL)


def test_an_adopted_machine_has_no_disks_of_ours(sim: Sim) -> None:
    adopted(sim)
    machine = machine_of(sim.vm("mail"))
    assert (machine.disks, machine.nics) == ([], [])
    assert machine.adopted is not None
    assert (machine.adopted.domain, machine.adopted.own_files()) == ("mail", [DISK])

"""Hosts, clusters, datastores, images and networks on simulated hosts, verb by verb."""

from __future__ import annotations

import msgspec
import pytest

from nebula.drivers.sim.faults import FOREVER
from nebula.engine.api.values import Query
from nebula.engine.drs.plans import propose
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan
from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import PlanRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NotFoundError, UsageError
from nebula.model.host import Finding
from tests.support.sim import CALL, HOSTS, Sim


def test_a_host_comes_and_goes(bare: Sim) -> None:
    bare.add_hosts("h1")
    shown = bare.engine.hosts.show("h1", refresh=True).body
    assert (shown["state"], shown["virt"], shown["vms"]) == ("MONITORED", "kvm", 0)
    bare.engine.hosts.disable("h1", CALL)
    assert bare.host("h1").state == 4
    bare.engine.hosts.offline("h1", CALL)
    assert bare.host("h1").state == 8
    bare.engine.hosts.enable("h1", CALL)
    bare.settle()
    assert bare.host("h1").state == 2
    bare.engine.hosts.rename("h1", "one", CALL)
    bare.engine.hosts.update("one", {"virt": "qemu", "attributes": {"RACK": "7"}}, CALL)
    bare.settle()
    shown = bare.engine.hosts.show("one").body
    assert (shown["virt"], shown["attributes"]) == ("qemu", {"RACK": "7"})
    bare.engine.hosts.remove("one", CALL)
    bare.settle()
    assert bare.engine.hosts.list(Query()).rows == []


def test_more_than_all_of_a_host_cannot_be_reserved(bare: Sim) -> None:
    bare.add_hosts("h1")
    before = bare.host("h1")
    for changes in ({"reserved_memory": "120%"}, {"reserved_cpu": "1000"}, {"reserved_cpu": "-9999%"}):
        with pytest.raises(UsageError, match="host h1 cannot"):
            bare.engine.hosts.update("h1", changes, CALL)
    assert (bare.host("h1").memory_max, bare.host("h1").cpu_max) == (before.memory_max, before.cpu_max)
    with pytest.raises(UsageError, match="host h2 cannot keep 101% of memory"):
        bare.engine.hosts.add({"name": "h2", "driver": "sim", "reserved_memory": "101%"}, CALL)
    job = bare.engine.hosts.add({"name": "h2", "driver": "sim", "reserved_memory": "900G"}, CALL).job_id
    bare.settle()
    assert bare.job(job).error["code"] == "usage"
    assert "host h2 cannot keep 900G of memory from VMs" in bare.host("h2").error
    bare.engine.hosts.update("h2", {"reserved_memory": "1G"}, CALL)
    bare.engine.hosts.enable("h2", CALL)
    bare.settle()
    assert (bare.host("h2").state, bare.host("h2").error) == (HostState.MONITORED, "")


def test_what_was_found_on_a_host_goes_by_its_new_name(bare: Sim) -> None:
    bare.add_hosts("no")
    text, fix = "qemu: host no cannot do more: there is no KVM", "if you know better: nebula host update no --virt kvm"
    found = [
        Finding(check="virtualisation", level="warning", text=text, fix=fix),
        Finding(check="network", level="warning", text="host no-2 and host no.2 have no bridge", fix="ssh no"),
    ]
    bare.world.hosts.set_findings("no", found)
    bare.engine.hosts.update("no", {"virt": "kvm"}, CALL)
    bare.settle()
    bare.world.faults.error("no", "hypervisor.facts", "denied", words="no way")
    bare.engine.hosts.update("no", {"virt": "auto"}, CALL)
    bare.settle()
    bare.engine.hosts.rename("no", "yes", CALL)
    first, second = bare.engine.hosts.describe("yes").body["findings"]
    assert first["text"] == "qemu: host yes cannot do more: there is no KVM"
    assert first["fix"] == "if you know better: nebula host update yes --virt kvm"
    assert second == msgspec.to_builtins(found[1])
    assert bare.host("yes").error == "hypervisor.facts failed on host yes: no way"


def test_a_host_that_cannot_be_used_is_in_error_and_comes_back(bare: Sim) -> None:
    order = bare.world.faults.error("h1", "hypervisor.facts", "denied", words="permission denied")
    bare.add_hosts("h1")
    assert bare.host("h1").state == 3
    assert "permission denied" in bare.host("h1").error
    bare.world.faults.release(order)
    bare.engine.hosts.enable("h1", CALL)
    bare.settle()
    assert (bare.host("h1").state, bare.host("h1").error) == (2, "")


@pytest.mark.parametrize("verb", ["remove", "offline"])
def test_a_host_with_vms_stays(sim: Sim, verb: str) -> None:
    sim.add_vm("one", HOST="h1")
    with pytest.raises(ConflictError, match="has VMs") as failure:
        getattr(sim.engine.hosts, verb)("h1", CALL)
    assert "evacuate" in failure.value.hint


def test_evacuate(sim: Sim) -> None:
    for number in range(4):
        sim.add_vm(f"vm{number}", HOST="h1")
    sim.engine.vms.poweroff("vm3", CALL)
    sim.settle()
    job = sim.engine.hosts.evacuate("h1", CALL).job_id
    sim.settle()
    assert sim.job(job).state == "done"
    assert sim.host("h1").state == 4
    assert {sim.where(f"vm{number}") for number in range(4)} <= {"h2", "h3"}
    assert [sim.state(f"vm{number}") for number in range(4)] == ["RUNNING"] * 3 + ["POWEROFF"]
    sim.assert_sound()


def test_a_host_that_is_down_says_what_to_do(sim: Sim) -> None:
    vm = sim.add_vm("one")
    lost = sim.where("one")
    spare = next(name for name in HOSTS if name != lost)
    assert "what_to_do" not in sim.engine.hosts.describe(lost).body

    def down(tx: Transaction) -> None:
        for name in (lost, spare):
            tx.swap(sim.host(name), state=HostState.ERROR, error="no route")

    sim.engine.services.store.write(down)
    said = sim.engine.hosts.describe(lost).body["what_to_do"]
    assert f"nebula host remove {lost} --force puts them on HOLD, and nebula vm release {vm.id} " in said
    assert f"nebula doctor {lost}" in said
    assert f"nebula host remove {spare} --force" in sim.engine.hosts.describe(spare).body["what_to_do"]
    with pytest.raises(ConflictError, match=f"{lost} is ERROR") as refused:
        sim.engine.hosts.evacuate(lost, CALL)
    assert "describe" in refused.value.hint
    sim.engine.hosts.remove(lost, CALL, force=True)  # what was said is what works
    sim.settle()
    assert sim.state("one") == "HOLD"
    sim.engine.vms.release("one", CALL)
    assert (sim.state("one"), sim.where("one")) == ("PENDING", "")


def test_an_evacuation_says_what_stays(sim: Sim) -> None:
    sim.add_vm("free", HOST="h1")
    sim.add_vm("large", HOST="h1", MEMORY=40960)
    for name in ("h2", "h3"):
        sim.engine.hosts.update(name, {"reserved_memory": "60%"}, CALL)
    job = sim.engine.hosts.evacuate("h1", CALL).job_id
    sim.settle()
    assert sim.job(job).state == "failed"
    assert sim.job(job).error["code"] == "partly_done"
    assert "large" in sim.job(job).error["cause"]
    assert (sim.where("large"), sim.state("large")) == ("h1", "RUNNING")
    assert sim.where("free") != "h1"


def test_a_host_that_shares_no_cpu_with_its_cluster_is_refused_there(bare: Sim) -> None:
    bare.add_hosts("h1")
    bare.engine.clusters.create("amd", CALL)
    bare.world.faults.error("h2", "hypervisor.baseline", "failed", words="CPU vendors do not match")
    job = bare.engine.hosts.add({"name": "h2", "driver": "sim"}, CALL).job_id
    bare.settle()
    error = bare.job(job).error
    assert (error["code"], error["cause"]) == ("conflict", "CPU vendors do not match")
    assert error["hint"].endswith("nebula host update h2 --cluster NAME")
    assert (bare.host("h1").state, bare.host("h2").state) == (HostState.MONITORED, HostState.ERROR)
    bare.engine.hosts.update("h2", {"cluster": "amd"}, CALL)
    bare.settle()
    assert bare.host("h2").state == HostState.MONITORED


def mixed(bare: Sim) -> str:
    """Two new hosts and an old one in a cluster; the common CPU of the new ones."""
    bare.add_hosts("h1", "h2")
    alone = cpu(bare, "default")
    bare.world.hosts.add("old", cpu_model="Nehalem")
    bare.add_hosts("old")
    assert "Nehalem" in cpu(bare, "default")
    assert "Nehalem" not in alone
    return alone


def cpu(sim: Sim, cluster: str) -> str:
    return str(sim.engine.clusters.show(cluster).body["cpu_baseline"])


def test_a_cluster_can_do_more_when_its_oldest_host_moves_to_another(bare: Sim) -> None:
    alone = mixed(bare)
    bare.engine.clusters.create("museum", CALL)
    bare.engine.hosts.update("old", {"cluster": "museum"}, CALL)
    bare.settle()
    assert cpu(bare, "default") == alone
    assert "Nehalem" in cpu(bare, "museum")
    bare.engine.hosts.update("old", {"cluster": "default"}, CALL)
    bare.settle()
    assert "Nehalem" in cpu(bare, "default")
    assert cpu(bare, "museum") == "None", "no host, no common CPU"


def test_a_host_leaves_a_former_cluster_only_where_it_had_one(bare: Sim) -> None:
    bare.add_hosts("h1")
    added = bare.engine.jobs.list(Query(filters=(), columns=("id",))).rows[0][0]
    bare.engine.clusters.create("museum", CALL)
    moved = bare.engine.hosts.update("h1", {"cluster": "museum"}, CALL).job_id
    again = bare.engine.hosts.update("h1", {"virt": "qemu"}, CALL).job_id
    begun = [bare.engine.jobs.show(number) for number in (moved, again)]
    assert [one.step for one in begun] == ["leave former cluster", "connect"]
    bare.settle()
    ended = [bare.engine.jobs.show(number) for number in (int(added), moved, again)]
    assert [one.state for one in ended] == ["done"] * 3
    assert all(one.position == one.steps for one in ended)
    assert [one.steps - ended[0].steps for one in ended] == [0, 1, 0]


def test_a_cluster_can_do_more_when_its_oldest_host_is_removed(bare: Sim) -> None:
    alone = mixed(bare)
    bare.world.faults.error("h1", "hypervisor.baseline", "unreachable")
    bare.engine.hosts.remove("old", CALL)
    bare.settle()
    assert cpu(bare, "default") == alone, "the second host says it when the first does not answer"


def test_a_cluster_keeps_its_common_cpu_where_nobody_can_say_what_it_has(bare: Sim) -> None:
    mixed(bare)
    order = bare.world.faults.error("*", "hypervisor.baseline", "unreachable", FOREVER)
    job = bare.engine.hosts.remove("old", CALL).job_id
    bare.settle()
    bare.world.faults.release(order)
    assert bare.job(job).state == "done"
    assert "Nehalem" in cpu(bare, "default")
    assert len([line for line in bare.engine.jobs.log(job) if "cannot say" in line.text]) == 2


def test_a_host_that_is_unfit_is_no_better_because_it_answers(bare: Sim) -> None:
    bare.add_hosts("h1", "h2")
    bare.world.faults.error("h2", "hypervisor.baseline", "failed", words="CPU vendors do not match")
    bare.engine.hosts.update("h2", {"virt": "kvm"}, CALL)
    bare.settle()
    bare.engine.hosts.show("h2", refresh=True)
    assert bare.host("h2").state == HostState.ERROR
    assert "no CPU in common" in bare.host("h2").error
    bare.engine.hosts.enable("h2", CALL)
    bare.settle()
    assert (bare.host("h2").state, bare.host("h2").error) == (HostState.MONITORED, "")


def test_check_and_doctor(sim: Sim) -> None:
    assert sim.engine.hosts.check("h1")
    found = sim.engine.system.doctor()
    assert {item.where for item in found} >= {"this machine", "engine", *HOSTS}
    sim.world.hosts.set_clock_skew("h1", 60.0)
    sim.world.hosts.set_reachable("h2", False)
    sim.engine.clusters.create("second", CALL)
    wrong = {(item.where, item.check, item.level) for item in sim.engine.system.doctor()}
    assert ("h1", "clock", "warning") in wrong
    assert ("h2", "reach", "error") in wrong
    assert all(item.fix for item in sim.engine.system.doctor() if item.level in {"warning", "error"})


def test_clusters(sim: Sim) -> None:
    sim.engine.clusters.create("east", CALL)
    sim.engine.clusters.rename("east", "west", CALL)
    sim.engine.hosts.update("h3", {"cluster": "west"}, CALL)
    sim.settle()
    assert sim.engine.clusters.show("west").body["hosts"] == ["h3"]
    with pytest.raises(ConflictError, match="not empty"):
        sim.engine.clusters.remove("west", CALL)
    sim.add_vm("one", CLUSTER="west")
    assert sim.where("one") == "h3"
    with pytest.raises(ConflictError, match="has VMs"):
        sim.engine.hosts.update("h3", {"cluster": "default"}, CALL)
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.engine.hosts.update("h3", {"cluster": "default"}, CALL)
    sim.settle()
    sim.engine.clusters.remove("west", CALL)
    assert sim.engine.clusters.list(Query(columns=("name", "hosts"))).rows == [["default", 3]]


def test_plans_go_with_their_cluster_which_stays_while_one_is_carried_out(sim: Sim) -> None:
    made = sim.engine.clusters.create("east", CALL)
    store = sim.engine.services.store
    plan = DrsPlan(cluster_id=made.id, cluster="east", at=0.0, moves=(), hosts=(), before=0.0, after=0.0)
    row = store.write(lambda tx: propose(tx, plan, DrsPolicy(), "tester"))
    store.write(lambda tx: tx.swap(tx.get(PlanRow, row.id), state="applying", job_id=7))
    with pytest.raises(ConflictError, match=f"plan {row.id} of cluster east is under way"):
        sim.engine.clusters.remove("east", CALL)
    store.write(lambda tx: tx.swap(tx.get(PlanRow, row.id), state="done"))
    sim.engine.clusters.remove("east", CALL)
    assert sim.rows(PlanRow) == []


def test_datastores(sim: Sim) -> None:
    sim.engine.datastores.create({"name": "more", "type": "system", "driver": "sim"}, CALL)
    sim.engine.datastores.rename("more", "other", CALL)
    assert sim.engine.datastores.show("other").body["can"]["formats"]
    assert {item.where for item in sim.engine.datastores.check("disks")} <= set(HOSTS)
    sim.engine.datastores.remove("other", CALL)
    with pytest.raises(NotFoundError):
        sim.engine.datastores.show("other")


def test_images(sim: Sim) -> None:
    sim.engine.images.rename("base", "root", CALL)
    shown = sim.engine.images.show("root").body
    assert (shown["state"], len(shown["copies_on"]), shown["vms"]) == ("READY", 1, 0)
    sim.add_vm("one", DISK=[{"IMAGE": "root"}])
    assert sim.engine.images.show("root").body["state"] == "USED"
    with pytest.raises(ConflictError, match="in use"):
        sim.engine.images.remove("root", CALL)
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.engine.images.remove("root", CALL)
    sim.settle()
    with pytest.raises(NotFoundError):
        sim.engine.images.show("root")
    assert sim.world.db.all("SELECT path FROM files") == []
    assert sim.engine.images.catalogue()


def test_networks(sim: Sim) -> None:
    sim.engine.networks.rename("lan", "net", CALL)
    sim.engine.networks.add_range("net", {"IP": "10.9.1.1-10.9.1.4"}, CALL)
    assert [item["number"] for item in sim.engine.networks.show("net").body["ranges"]] == [0, 1]
    sim.engine.networks.hold("net", "10.9.1.2", CALL)
    with pytest.raises(ConflictError, match="1 leases"):
        sim.engine.networks.remove_range("net", 1, CALL)
    assert sim.engine.networks.leases("net").rows[0][3] == "on hold"
    sim.engine.networks.release("net", "10.9.1.2", CALL)
    sim.engine.networks.remove_range("net", 1, CALL)
    assert {item.where for item in sim.engine.networks.check("net")} <= set(HOSTS)
    sim.add_vm("one", NIC=[{"NETWORK": "net"}])
    with pytest.raises(ConflictError, match="in use by VM one"):
        sim.engine.networks.remove("net", CALL)
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.engine.networks.remove("net", CALL)
    sim.settle()
    assert sim.engine.networks.list(Query()).rows == []
    assert all(sim.world.hosts.bridges(name) == [] for name in HOSTS)


def test_a_nat_network_chooses_its_subnet(sim: Sim) -> None:
    for name in ("one", "two"):
        sim.engine.networks.create({"name": name, "nat": True}, CALL)
    first, second = (sim.engine.networks.show(name).body["subnet"] for name in ("one", "two"))
    assert first != second


def test_status_counts(sim: Sim) -> None:
    import os

    sim.add_vm("one")
    status = sim.engine.system.status()
    assert (status.owner_pid, status.role) == (os.getpid(), "test")
    assert (status.counts["vm"], status.counts["host"], status.jobs) == (1, 3, {})
    assert status.last_event == sim.engine.events.list(limit=10_000)[-1].seq
    assert [item.level for item in sim.engine.system.check()] == ["ok"]


def test_events_are_followed_without_a_gap(sim: Sim) -> None:
    events = sim.engine.events.follow(after=0)
    sim.add_vm("one")
    last = sim.engine.events.last()
    seen: list[int] = []
    for event in events:
        if event is None or event.seq >= last:
            seen += [event.seq] if event else []
            break
        seen.append(event.seq)
    assert seen == list(range(seen[0], last + 1))

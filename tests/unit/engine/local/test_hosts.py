"""Hosts, clusters, datastores, images and networks on simulated hosts, verb by verb."""

from __future__ import annotations

import pytest

from nebula.engine.api.values import Query
from nebula.errors import ConflictError, NotFoundError
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

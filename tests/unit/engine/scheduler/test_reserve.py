"""N+1 and space in datastores: refused in words with numbers, and never broken by a plan."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.reserve import loss
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, Plan, Resident, SpaceView, VmView
from nebula.engine.store.rows import DatastoreRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError, UsageError
from tests.support.sim import CALL, Sim, template

LAB = (ClusterView(id=1, name="lab", reserve=True),)


def host(number: int, memory: int = 8192, free: int | None = None, cpu: int = 1600, state: str = "MONITORED") -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state=state, cpu_free=cpu, memory_free=memory if free is None else free,
        vms=0, cpu_max=1600, memory_max=memory,
    )  # fmt: skip


def vm(number: int, memory: int = 1024, cpu: int = 100, **rest: Any) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=cpu, memory=memory, **rest)


def plan_of(hosts: tuple[HostView, ...], *vms: VmView, residents: tuple[Resident, ...] = (), **rest: Any) -> Plan:
    return place(ClusterSnapshot(hosts=hosts, pending=vms, clusters=LAB, residents=residents, **rest), vms)


def test_the_largest_host_stays_free_in_sum() -> None:
    hosts = (host(1, 8192), host(2, 4096), host(3, 4096))
    plan = plan_of(hosts, *(vm(number) for number in range(1, 11)))
    assert len(plan.actions) == 8, "8 GiB beside the largest host"
    assert plan.unplaced[0].summary == "3 hosts: 3 short of spare memory by 1024 MiB"
    assert plan.unplaced[0].hosts["h2"] == (
        "cluster lab keeps its largest host free (RESERVE_HOST): beside the 8192 MiB of the largest 0 MiB are free, "
        "1024 MiB needed"
    )


def test_cpu_counts_too() -> None:
    plan = plan_of((host(1), host(2)), vm(1, cpu=1550), vm(2, cpu=100))
    assert [(action.vm_id, action.host_id) for action in plan.actions] == [(1, 1)]
    assert plan.unplaced[0].hosts["h2"].endswith("beside the 16 cores of the largest 0.5 are free, 1 needed")


def test_the_vms_of_every_host_really_fit_elsewhere() -> None:
    hosts = tuple(host(number, 8192) for number in (1, 2, 3))
    assert len(plan_of(hosts, *(vm(number, memory=4000) for number in (1, 2, 3))).actions) == 3
    plan = plan_of(hosts, *(vm(number, memory=5000) for number in (1, 2, 3)))
    assert len(plan.actions) == 2, "three would fit in sum, but a lost one would find 3192 MiB on each of the others"
    assert plan.unplaced[0].vm_id == 3
    assert plan.unplaced[0].hosts["h3"] == (
        "cluster lab keeps its largest host free (RESERVE_HOST): "
        "were h1 to fail, its VM of 1 cores and 5000 MiB would fit nowhere"
    )


def test_what_is_there_counts_as_what_comes() -> None:
    hosts = (host(1, free=3192, cpu=1500), host(2, free=3192, cpu=1500), host(3))
    residents = (Resident(1, 100, 5000), Resident(2, 100, 5000))
    assert plan_of(hosts, vm(1, memory=5000), residents=residents).actions == ()
    assert len(plan_of(hosts, vm(1, memory=3000), residents=residents).actions) == 1


def test_who_is_in_the_cluster_may_use_the_reserve() -> None:
    hosts = (host(1, free=0, state="DISABLED"), host(2, free=4096))
    assert len(plan_of(hosts, vm(1, memory=4096, inside=1)).actions) == 1
    assert plan_of(hosts, vm(1, memory=4096)).actions == ()


def test_loss_names_the_host_and_the_vm() -> None:
    free = (1600, 2048)
    assert loss([("a", free, [(100, 1024)]), ("b", free, [(100, 2048), (100, 1024)])]) == (
        "were b to fail, its VM of 1 cores and 1024 MiB would fit nowhere"
    )
    assert loss([("a", free, [(100, 1024)]), ("b", free, [(100, 1024)])]) == ""
    assert loss([]) == ""


def test_a_cluster_reserves_in_the_engine(sim: Sim) -> None:
    with pytest.raises(UsageError, match="RESERVE_HOST must be YES or NO"):
        sim.engine.clusters.update("default", {"attributes": {"RESERVE_HOST": "2"}}, CALL)
    sim.engine.clusters.update("default", {"attributes": {"RESERVE_HOST": "YES"}}, CALL)
    sim.add_vm("first", MEMORY=65536, CPU=1)
    sim.add_vm("second", MEMORY=65536, CPU=1)
    sim.engine.vms.create(template("third", MEMORY=1024, CPU=1), CALL)
    sim.settle()
    assert (sim.state("second"), sim.state("third")) == ("RUNNING", "PENDING")
    assert "short of spare memory by 1024 MiB" in sim.vm("third").reason
    with pytest.raises(CapacityError, match="may not be on host h3") as caught:
        sim.engine.vms.deploy("third", "h3", CALL)
    assert "keeps its largest host free" in caught.value.cause
    host_of_second = sim.where("second")
    sim.engine.vms.migrate("second", "", CALL, live=True)
    sim.settle()
    assert sim.where("second") != host_of_second
    sim.engine.vms.deploy("third", host_of_second, CALL, force=True)
    sim.await_state("third", "RUNNING")


def test_space_is_counted_per_host_and_on_shared_storage() -> None:
    hosts = (host(1), host(2))
    spaces = (
        SpaceView(datastore_id=1, name="disks", host_id=1, total=10000, free=2000, keep=500),
        SpaceView(datastore_id=1, name="disks", host_id=2, total=10000, free=9000, keep=500),
        SpaceView(datastore_id=2, name="san", host_id=0, total=10000, free=3000, keep=0),
    )
    snapshot = ClusterSnapshot(hosts=hosts, pending=(), spaces=spaces)
    local = place(snapshot, [vm(number, space=((1, 4000),)) for number in (1, 2, 3)])
    assert [(action.vm_id, action.host_id) for action in local.actions] == [(1, 2), (2, 2)]
    assert local.unplaced[0].hosts["h1"] == ("datastore disks: 2000 MiB of 10000 free, 4000 MiB needed and 500 kept free")
    assert local.unplaced[0].summary == "2 hosts: 2 short of space by 2500 to 3500 MiB"
    shared = place(snapshot, [vm(number, space=((2, 2000),)) for number in (1, 2)])
    assert len(shared.actions) == 1


def test_a_datastore_that_is_full_is_told(sim: Sim) -> None:
    sim.restart(msgspec.structs.replace(sim.settings, monitor_interval=600.0))
    sim.engine.monitor.first_looks(20.0)
    body = {"space": {str(number): [1000, 960, 40] for number in (1, 2, 3)}}

    def fill(tx: Transaction) -> None:
        for row in tx.select(DatastoreRow):
            tx.swap(row, body={**row.body, **body})

    sim.engine.services.store.write(fill)
    sim.engine.vms.create(template("one"), CALL)
    sim.settle()
    waiting = sim.engine.vms.describe("one").body["waiting"]
    assert waiting["summary"] == "3 hosts: 3 short of space by 10 MiB"
    assert waiting["hosts"]["h1"].endswith("40 MiB of 1000 free, 0 MiB needed and 50 kept free")
    for row in sim.rows(DatastoreRow):
        sim.engine.datastores.update(row.name, {"attributes": {"RESERVED_SPACE": "1%"}}, CALL)
    sim.await_state("one", "RUNNING")

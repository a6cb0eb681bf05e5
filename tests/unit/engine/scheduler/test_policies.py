"""The policies: which host of those that can take a VM gets it, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.policies import policy_named
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, VmView
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim, template


def host(number: int, *, cpu: int = 800, memory: int = 8192, cluster: int = 1, **rest: Any) -> HostView:
    """A host of 8 cores and 8 GiB with so much of it free."""
    return HostView(
        id=number, name=f"h{number}", cluster_id=cluster, state="MONITORED", cpu_free=cpu, memory_free=memory,
        vms=0 if cpu == 800 else 1, cpu_max=800, memory_max=8192, cpu_total=800, memory_total=8192, **rest,
    )  # fmt: skip


def vm(number: int, cpu: int = 100, memory: int = 1024, **rest: Any) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=cpu, memory=memory, **rest)


def placed(policy: str, hosts: tuple[HostView, ...], *vms: VmView, rank: str = "") -> list[int]:
    """The host of each VM, in their order."""
    clusters = (ClusterView(id=1, name="lab", policy=policy, rank=rank),)
    plan = place(ClusterSnapshot(hosts=hosts, pending=vms, clusters=clusters), vms)
    found = {action.vm_id: action.host_id for action in plan.actions}
    return [found.get(item.id, 0) for item in vms]


def reason(policy: str, hosts: tuple[HostView, ...], item: VmView) -> str:
    clusters = (ClusterView(id=1, name="lab", policy=policy),)
    return place(ClusterSnapshot(hosts=hosts, pending=(item,), clusters=clusters), [item]).actions[0].reason


HOSTS = (host(1, cpu=500), host(2), host(3, cpu=300, memory=2048))


def test_striping_takes_the_least_promised_host() -> None:
    assert placed("striping", HOSTS, vm(1)) == [2]
    assert reason("striping", HOSTS, vm(1)) == (
        "striping: the least promised host that can take it (CPU 12%, memory 12% promised)"
    )


def test_packing_takes_the_fullest_host_that_has_room() -> None:
    assert placed("packing", HOSTS, vm(1)) == [3]
    assert placed("packing", HOSTS, vm(1, memory=4096)) == [1]
    assert sorted(placed("packing", HOSTS, *(vm(number) for number in range(1, 7)))) == [1, 1, 1, 1, 3, 3]
    assert reason("packing", HOSTS, vm(1)).startswith("packing: the fullest host that can take it (CPU 75%, memory 88%")


def test_load_aware_goes_by_what_was_measured() -> None:
    hosts = (
        host(1, cpu=100, cpu_used=50, memory_used=512),
        host(2, cpu_used=600, memory_used=512),
        host(3, cpu=100, cpu_used=300),
    )
    assert placed("load-aware", hosts, vm(1)) == [1], "promised most, used least"
    assert placed("striping", hosts, vm(1)) == [2]
    assert reason("load-aware", hosts, vm(1)) == (
        "load-aware: the least loaded host that can take it (CPU 12%, memory 19% in use and expected)"
    )


def test_load_aware_counts_what_the_plan_adds() -> None:
    hosts = (host(1, cpu_used=0, memory_used=0), host(2, cpu_used=200, memory_used=0))
    assert sorted(placed("load-aware", hosts, *(vm(number, cpu=200, memory=64) for number in range(1, 5)))) == [1, 1, 1, 2]


def test_load_aware_without_measurements_goes_by_promises() -> None:
    assert placed("load-aware", HOSTS, vm(1)) == [2]


def test_fixed_goes_by_the_hosts_priority() -> None:
    hosts = (host(1, priority=1), host(2, priority=5, memory=1024), host(3, priority=3))
    assert placed("fixed", hosts, vm(1), vm(2)) == [2, 3]
    assert reason("fixed", hosts, vm(1)) == "fixed: PRIORITY 5, the highest of the hosts that can take it"


def test_a_cluster_ranks_by_an_expression() -> None:
    hosts = tuple(host(number, attributes={"ID": number, "SPEED": number % 3}) for number in (1, 2, 3))
    assert placed("custom", hosts, vm(1), rank="SPEED") == [2]
    assert placed("custom", hosts, vm(1), rank="ID") == [3]


def test_the_vms_rank_wins_over_its_policy_and_that_over_its_clusters() -> None:
    hosts = tuple(host(number, cpu=free, attributes={"ID": number}) for number, free in ((1, 500), (2, 800), (3, 300)))
    assert placed("striping", hosts, vm(1, policy="packing")) == [3]
    assert placed("striping", hosts, vm(1, policy="packing", rank="-ID")) == [1]


def test_clusters_with_different_policies_are_compared_by_what_is_promised() -> None:
    hosts = (host(1, cpu=400), host(2, cpu=300), host(3, cpu=600, cluster=2), host(4, cpu=700, cluster=2))
    clusters = (ClusterView(id=1, name="a", policy="packing"), ClusterView(id=2, name="b", policy="striping"))
    plan = place(ClusterSnapshot(hosts=hosts, pending=(), clusters=clusters), [vm(1)])
    assert plan.actions[0].host_id == 4


def test_names_and_opennebulas_numbers() -> None:
    assert [policy_named({"SCHED_POLICY": given}) for given in ("Packing", "LOAD_AWARE", 1, "4", "")] == [
        "packing", "load-aware", "striping", "fixed", "",
    ]  # fmt: skip
    for wrong in ("round-robin", 5, "-1"):
        with pytest.raises(UsageError, match="no policy"):
            policy_named({"SCHED_POLICY": wrong})


def test_a_cluster_and_a_vm_choose_their_policy(sim: Sim) -> None:
    sim.add_vm("first")
    where = sim.where("first")
    sim.engine.clusters.update("default", {"attributes": {"SCHED_POLICY": "packing"}}, CALL)
    sim.add_vm("second")
    sim.add_vm("third", SCHED_POLICY="striping")
    assert sim.where("second") == where
    assert sim.where("third") != where
    history = sim.engine.vms.history("second")
    assert "packing: the fullest host" in str(history.rows[0][history.columns.index("reason")])


def test_a_policy_that_is_none_is_refused(sim: Sim) -> None:
    for wrong in ({"SCHED_POLICY": "fair"}, {"SCHED_POLICY": "custom"}, {"SCHED_POLICY": "custom", "SCHED_RANK": "1 +"}):
        with pytest.raises(UsageError):
            sim.engine.clusters.update("default", {"attributes": wrong}, CALL)
    with pytest.raises(UsageError, match="no policy"):
        sim.engine.vms.create(template("one", SCHED_POLICY="fair"), CALL)


def test_a_hosts_priority_is_an_attribute(sim: Sim) -> None:
    sim.engine.clusters.update("default", {"attributes": {"SCHED_POLICY": "fixed", "PRIORITY": "2"}}, CALL)
    sim.engine.hosts.update("h3", {"attributes": {"PRIORITY": "2.5"}}, CALL)
    sim.add_vm("one")
    assert sim.where("one") == "h3"
    sim.engine.hosts.update("h3", {"attributes": {"PRIORITY": "none"}}, CALL)
    sim.add_vm("two")
    assert sim.where("two") == "h1"

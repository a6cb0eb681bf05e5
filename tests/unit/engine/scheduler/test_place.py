"""place(): never over capacity, the same plan from the same snapshot, a reason per host for whoever is left."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, Plan, VmView

UNTIMED = settings(deadline=None)
"""A busy machine is no fault of a plan."""
hosts = st.lists(
    st.builds(
        HostView,
        id=st.integers(1, 40),
        name=st.just(""),
        cluster_id=st.integers(1, 3),
        state=st.sampled_from(["MONITORED"] * 6 + ["ERROR", "DISABLED", "OFFLINE", "INIT"]),
        cpu_free=st.integers(-400, 1600),
        memory_free=st.integers(-4096, 65536),
        vms=st.integers(0, 20),
        error=st.sampled_from(["", "no route to host"]),
    ),
    max_size=12,
    unique_by=lambda host: host.id,
).map(lambda found: tuple(_named(host) for host in found))
vms = st.lists(
    st.builds(
        VmView,
        id=st.integers(1, 1000),
        name=st.just("vm"),
        cpu=st.integers(1, 800),
        memory=st.integers(1, 32768),
        clusters=st.frozensets(st.integers(1, 3), max_size=2),
        not_on=st.frozensets(st.integers(1, 40), max_size=2),
        only_on=st.sampled_from([-1, -1, -1, 1, 2, 3]),
        impossible=st.sampled_from([""] * 9 + ["network a, datastore b share no cluster"]),
    ),
    max_size=20,
    unique_by=lambda vm: vm.id,
).map(tuple)
snapshots = st.builds(lambda found, pending: ClusterSnapshot(hosts=found, pending=pending), hosts, vms)


def _named(host: HostView) -> HostView:
    import msgspec

    return msgspec.structs.replace(host, name=f"h{host.id}")


def plan_of(snapshot: ClusterSnapshot) -> Plan:
    return place(snapshot, snapshot.pending)


@UNTIMED
@given(snapshots)
def test_every_vm_is_placed_once_or_explained(snapshot: ClusterSnapshot) -> None:
    plan = plan_of(snapshot)
    answered = [action.vm_id for action in plan.actions] + [item.vm_id for item in plan.unplaced]
    assert sorted(answered) == sorted(vm.id for vm in snapshot.pending)
    assert all(action.reason for action in plan.actions)


@UNTIMED
@given(snapshots)
def test_no_host_is_promised_more_than_it_has(snapshot: ClusterSnapshot) -> None:
    plan, pending = plan_of(snapshot), {vm.id: vm for vm in snapshot.pending}
    for host in snapshot.hosts:
        mine = [pending[action.vm_id] for action in plan.actions if action.host_id == host.id]
        if mine:
            assert host.state == "MONITORED"
            assert sum(vm.cpu for vm in mine) <= host.cpu_free
            assert sum(vm.memory for vm in mine) <= host.memory_free
        for vm in mine:
            assert not vm.impossible
            assert host.id not in vm.not_on
            assert vm.only_on in {-1, host.id}
            assert not vm.clusters or host.cluster_id in vm.clusters


@UNTIMED
@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_of_hosts_does_not_matter(snapshot: ClusterSnapshot, chance: random.Random) -> None:
    shuffled = list(snapshot.hosts)
    chance.shuffle(shuffled)
    assert plan_of(ClusterSnapshot(hosts=tuple(shuffled), pending=snapshot.pending)) == plan_of(snapshot)


@UNTIMED
@given(snapshots)
def test_the_same_snapshot_gives_the_same_plan(snapshot: ClusterSnapshot) -> None:
    assert plan_of(snapshot) == plan_of(snapshot)


@UNTIMED
@given(snapshots)
def test_who_is_left_has_a_reason_for_every_host(snapshot: ClusterSnapshot) -> None:
    for item in plan_of(snapshot).unplaced:
        assert set(item.hosts) == {host.name for host in snapshot.hosts}
        assert all(item.hosts.values())
        assert item.summary.startswith(f"{len(snapshot.hosts)} host") or item.summary == "there are no hosts"


def host(number: int, memory: int, cpu: int = 1600) -> HostView:
    return HostView(id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=cpu, memory_free=memory, vms=0)


def vm(number: int, memory: int = 1024, cpu: int = 100) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=cpu, memory=memory)


def test_vms_are_spread() -> None:
    plan = place(ClusterSnapshot(hosts=(host(1, 8192), host(2, 8192), host(3, 8192)), pending=()), [vm(n) for n in range(6)])
    assert sorted(action.host_id for action in plan.actions) == [1, 1, 2, 2, 3, 3]


def test_the_summary_counts_and_says_by_how_much() -> None:
    found = place(ClusterSnapshot(hosts=(host(1, 1024), host(2, 3072), host(3, 8192, cpu=50)), pending=()), [vm(1, 4096)])
    assert found.unplaced[0].summary == "3 hosts: 1 short of CPU by 0.5 cores, 2 short of memory by 1024 to 3072 MiB"
    assert found.unplaced[0].hosts["h2"] == "short of memory by 1024 MiB (3072 MiB free)"


def _host(number: int, free: int) -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=free, memory_free=4096, vms=0, cpu_max=1600,
        memory_max=4096,
    )  # fmt: skip


def test_a_vm_goes_where_its_disks_are_if_that_host_can_take_it() -> None:
    stopped = VmView(id=1, name="stopped", cpu=100, memory=512, near=1)
    new = [VmView(id=number, name="new", cpu=100, memory=512) for number in range(2, 7)]
    hosts = (_host(1, 400), _host(2, 1600), _host(3, 1600))
    plan = place(ClusterSnapshot(hosts=hosts, pending=(stopped, *new)), (stopped, *new))
    chosen = {action.vm_id: action for action in plan.actions}
    assert (chosen[1].host_id, chosen[1].reason.partition(",")[0]) == (1, "its disks are there")
    assert len(chosen) == 6
    full = ClusterSnapshot(hosts=(_host(1, 50), *hosts[1:]), pending=(stopped,))
    assert plan_of(full).actions[0].host_id == 2

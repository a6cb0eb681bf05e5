"""Whatever the cluster: no plan breaks a capacity, a rule or its budget, at any step; it depends on the cluster alone."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.values import DrsPlan, DrsSnapshot, Move
from nebula.engine.scheduler.reserve import loss
from tests.unit.engine.drs.clusters import EAGER, cluster, clusters
from tests.unit.engine.drs.clusters import host as a_host
from tests.unit.engine.drs.clusters import vm as a_vm

policies = st.builds(
    DrsPolicy,
    policy=st.sampled_from(["load-aware", "striping", "packing"]),
    budget_share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    budget_gib=st.sampled_from([0.0, 2.0]),
    least_gain=st.just(0.0),
    ceiling=st.sampled_from([0.4, 0.8]),
    per_host=st.integers(1, 3),
)


def broken(snapshot: DrsSnapshot, at: dict[int, int], moving: list[Move]) -> str:
    """Which host could not be lost."""
    vms = {vm.id: vm for vm in snapshot.vms}
    rows = []
    for host in snapshot.hosts:
        inside = [vms[number] for number, where in at.items() if where == host.id]
        coming = [vms[move.vm_id] for move in moving if move.target_id == host.id]
        cpu, memory = (sum(getattr(vm, kind) for vm in inside + coming) for kind in ("cpu", "memory"))
        rows.append((host.name, (host.cpu_max - cpu, host.memory_max - memory), [(vm.cpu, vm.memory) for vm in inside]))
    return loss([row for row, host in zip(rows, snapshot.hosts, strict=True) if host.takes and not host.leave])


@settings(max_examples=80, deadline=None)
@given(clusters(), policies)
def test_every_step_of_a_plan_is_allowed(snapshot: DrsSnapshot, policy: DrsPolicy) -> None:
    plan = rebalance(snapshot, policy)
    vms = {vm.id: vm for vm in snapshot.vms}
    hosts = {host.id: host for host in snapshot.hosts}
    at = {vm.id: vm.host_id for vm in snapshot.vms}
    for wave in sorted({move.wave for move in plan.moves}):
        moves = [move for move in plan.moves if move.wave == wave]
        assert max(Counter([m.source_id for m in moves] + [m.target_id for m in moves]).values()) <= policy.per_host
        taken, cpu = Counter[int](), Counter[int]()
        for number, where in at.items():
            taken[where] += vms[number].memory
            cpu[where] += vms[number].cpu
        for move in moves:
            vm = vms[move.vm_id]
            leaving = hosts[vm.host_id].leave
            assert at[vm.id] == move.source_id != move.target_id
            assert not vm.fixed or leaving, "a fixed VM moved"
            assert not vm.bound, "a VM moved that no migration takes away"
            assert leaving or not any(vm.id in group and len(group) > 1 for group in snapshot.together)
            assert vm.allowed is None or move.target_id in vm.allowed or move.target_id == vm.host_id
            assert leaving or move.target_id not in vm.left
            assert hosts[move.target_id].takes
            assert not hosts[move.target_id].leave
            taken[move.target_id] += vm.memory
            cpu[move.target_id] += vm.cpu
        for number, memory in taken.items():
            assert memory <= hosts[number].memory_max, "both ends are counted while a VM is under way"
            assert cpu[number] <= hosts[number].cpu_max, "both ends are counted while a VM is under way"
        after = {**at, **{move.vm_id: move.target_id for move in moves}}
        for group in snapshot.apart:
            for host in hosts:
                there = {number for number in group if at[number] == host or after[number] == host}
                assert len(there) <= 1, "two VMs that must keep apart shared a host"
        if snapshot.reserve and not broken(snapshot, at, []) and not any(host.leave for host in hosts.values()):
            assert not broken(snapshot, at, moves), "no host could be lost meanwhile"
            assert not broken(snapshot, after, []), "no host could be lost afterwards"
        at = after
    named = {number for number, _ in (*plan.stranded, *plan.staying)}
    assert all(vm.id in named for vm in snapshot.vms if hosts[at[vm.id]].leave and not hosts[vm.host_id].takes)
    forced = {vm.id for vm in snapshot.vms if hosts[vm.host_id].leave}
    free = {move.vm_id for move in plan.moves} - forced
    assert len(free) <= int(policy.budget_share * len(vms) + 0.5)
    if policy.budget_gib and not forced:
        assert sum(move.copy_mib for move in plan.moves) <= policy.budget_gib * 1024


def test_what_would_cost_the_reserve_is_not_done_and_that_is_said() -> None:
    hosts = [a_host(number) for number in (1, 2, 3)]
    vms = [a_vm(1, 1, 500, memory=4000), a_vm(2, 1, 500, memory=4000), a_vm(3, 2, 10, memory=5500), a_vm(4, 3, 10, memory=2000)]
    assert not broken(cluster(hosts, vms), {one.id: one.host_id for one in vms}, [])
    assert rebalance(cluster(hosts, vms), EAGER).moves
    plan = rebalance(cluster(hosts, vms, reserve=True), EAGER)
    assert plan.moves == ()
    assert "(RESERVE_HOST): were h" in plan.why_not


@settings(max_examples=25, deadline=None)
@given(clusters(), policies, st.integers(0, 3))
def test_the_same_snapshot_and_seed_give_the_same_plan(snapshot: DrsSnapshot, policy: DrsPolicy, seed: int) -> None:
    assert rebalance(snapshot, policy, seed=seed) == rebalance(snapshot, policy, seed=seed)


@settings(max_examples=25, deadline=None)
@given(clusters(), policies, st.randoms(use_true_random=False))
def test_the_order_of_the_input_never_matters(snapshot: DrsSnapshot, policy: DrsPolicy, shuffler: random.Random) -> None:
    hosts, vms = list(snapshot.hosts), list(snapshot.vms)
    shuffler.shuffle(hosts)
    shuffler.shuffle(vms)
    mixed = msgspec.structs.replace(snapshot, hosts=tuple(hosts), vms=tuple(vms))
    assert rebalance(mixed, policy) == rebalance(snapshot, policy)


@settings(max_examples=20, deadline=None)
@given(clusters(), policies)
def test_plans_and_snapshots_are_plain_data(snapshot: DrsSnapshot, policy: DrsPolicy) -> None:
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=DrsSnapshot)
    plan = rebalance(again, policy)
    assert plan == rebalance(snapshot, policy)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=DrsPlan) == plan


@settings(max_examples=25, deadline=None)
@given(clusters())
def test_with_a_fixed_load_there_is_rest_after_three_rounds(snapshot: DrsSnapshot) -> None:
    policy = DrsPolicy(policy="striping", budget_share=1.0)
    for _ in range(3):
        plan = rebalance(snapshot, policy)
        where = {move.vm_id: move.target_id for move in plan.moves}
        vms = tuple(msgspec.structs.replace(vm, host_id=where.get(vm.id, vm.host_id)) for vm in snapshot.vms)
        snapshot = msgspec.structs.replace(snapshot, vms=vms)
    assert rebalance(snapshot, policy).moves == ()

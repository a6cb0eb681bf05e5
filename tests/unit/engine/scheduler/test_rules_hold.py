"""No plan breaks a requirement, a group, a capacity, room for a lost host or space; the order of input changes nothing."""

from __future__ import annotations

import random
from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.scheduler.explain import explain
from nebula.engine.scheduler.groups import GroupView, Role
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.reserve import loss
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, Plan, Resident, SpaceView, VmView

UNTIMED = settings(deadline=None)
"""A busy machine is no fault of a plan."""
POLICIES = ("packing", "striping", "load-aware", "fixed")
ROLES = ("a", "b", "c")
MAX_CPU, MAX_MEMORY = 1600, 16384
_FREE_CPU = st.sampled_from((MAX_CPU, MAX_CPU, 1200)) | st.integers(0, MAX_CPU)
_FREE_MEMORY = st.sampled_from((MAX_MEMORY, MAX_MEMORY, 12000)) | st.integers(0, MAX_MEMORY)


@st.composite
def hosts(draw: st.DrawFn) -> tuple[HostView, ...]:
    def one(number: int) -> HostView:
        return HostView(
            id=number, name=f"h{number}", cluster_id=draw(st.sampled_from((1, 1, 2))),
            state=draw(st.sampled_from(("MONITORED",) * 5 + ("DISABLED",))), cpu_free=draw(_FREE_CPU),
            memory_free=draw(_FREE_MEMORY), vms=draw(st.integers(0, 3)), cpu_max=MAX_CPU, memory_max=MAX_MEMORY,
            cpu_total=MAX_CPU, memory_total=MAX_MEMORY, cpu_used=draw(st.integers(-1, MAX_CPU)),
            memory_used=draw(st.integers(-1, MAX_MEMORY)), priority=draw(st.integers(0, 3)),
            attributes={"ID": number, "RACK": draw(st.integers(0, 2))},
        )  # fmt: skip

    return tuple(one(number) for number in range(1, draw(st.integers(2, 7)) + 1))


_SIZES = st.sampled_from([*product((50, 100, 400, 800), (512, 1024, 4096, 8192), ((), ((1, 100),), ((2, 300),)))])
_OWNERS = st.sampled_from([*product(("ann", "bob"), range(3), ("", "", *ROLES), (frozenset[int](), frozenset({1})))])
_WISHES = st.sampled_from([*product(("", "", "RACK != 0", "RACK = 1", "ID < 4"), ("", "", "", "-ID"), ("", "", *POLICIES))])
"""What a VM is made of, by three choices: one an attribute takes longer than to place the VMs."""


@st.composite
def vms(draw: st.DrawFn) -> tuple[VmView, ...]:
    def one(number: int) -> VmView:
        cpu, memory, space = draw(_SIZES)
        owner, priority, role, clusters = draw(_OWNERS)
        requirements, rank, policy = draw(_WISHES)
        return VmView(
            id=number, name=f"vm{number}", cpu=cpu, memory=memory, owner=owner, priority=priority, requirements=requirements,
            rank=rank, policy=policy, group_id=1 if role else 0, role=role, space=space, clusters=clusters,
        )  # fmt: skip

    return tuple(one(number) for number in range(1, draw(st.integers(2, 20)) + 1))


@st.composite
def groups(draw: st.DrawFn) -> GroupView:
    policies = [draw(st.sampled_from(("NONE", "AFFINED", "ANTI_AFFINED"))) for _ in ROLES]
    roles = tuple(
        Role(name=name, policy=policy, host_anti_affined=draw(st.sampled_from(((), (), (1,)))))
        for name, policy in zip(ROLES, policies, strict=True)
    )
    affined = draw(st.sampled_from(((), (("a", "b"),))))
    anti = draw(st.sampled_from(((), (("a", "c"),), (("b", "c"),))))
    return GroupView(id=1, name="g", roles=roles, affined=affined, anti_affined=anti)


@st.composite
def snapshots(draw: st.DrawFn) -> ClusterSnapshot:
    found = draw(hosts())
    clusters = tuple(
        ClusterView(
            id=number,
            name=f"c{number}",
            policy=draw(st.sampled_from(POLICIES)),
            reserve=draw(st.sampled_from((False, False, True))),
        )
        for number in (1, 2)
    )
    residents = tuple(
        Resident(host.id, MAX_CPU - host.cpu_free, MAX_MEMORY - host.memory_free) for host in found if host.cpu_free < MAX_CPU
    )
    spaces = (
        SpaceView(datastore_id=1, name="local", host_id=1, total=1000, free=draw(st.integers(0, 1000)), keep=50),
        SpaceView(datastore_id=2, name="san", host_id=0, total=1000, free=draw(st.integers(0, 1000)), keep=50),
    )
    return ClusterSnapshot(
        hosts=found, pending=draw(vms()), clusters=clusters, groups=(draw(groups()),), residents=residents, spaces=spaces,
        holdings=(("ann", draw(st.integers(0, 800)), 1024),),
    )  # fmt: skip


def placed(snapshot: ClusterSnapshot, plan: Plan) -> dict[int, list[VmView]]:
    """Host id -> the VMs that the plan puts there."""
    pending = {vm.id: vm for vm in snapshot.pending}
    found: dict[int, list[VmView]] = {host.id: [] for host in snapshot.hosts}
    for action in plan.actions:
        found[action.host_id].append(pending[action.vm_id])
    return found


@UNTIMED
@given(snapshots())
def test_capacity_requirements_and_reach_hold(snapshot: ClusterSnapshot) -> None:
    found = placed(snapshot, place(snapshot, snapshot.pending))
    for host in snapshot.hosts:
        mine = found[host.id]
        assert not mine or host.state == "MONITORED"
        assert sum(vm.cpu for vm in mine) <= host.cpu_free
        assert sum(vm.memory for vm in mine) <= host.memory_free
        rack = host.attributes["RACK"]
        holds = {"": True, "RACK != 0": rack != 0, "RACK = 1": rack == 1, "ID < 4": host.id < 4}
        assert all(holds[vm.requirements] for vm in mine)
        assert all(not vm.clusters or host.cluster_id in vm.clusters for vm in mine)


@UNTIMED
@given(snapshots())
def test_groups_hold(snapshot: ClusterSnapshot) -> None:
    found, [group] = placed(snapshot, place(snapshot, snapshot.pending)), snapshot.groups
    where = {role: [host for host, mine in found.items() for vm in mine if vm.role == role] for role in ROLES}
    for role in group.roles:
        assert not set(where[role.name]) & set(role.host_anti_affined)
        if role.policy == "AFFINED":
            assert len(set(where[role.name])) <= 1
        if role.policy == "ANTI_AFFINED":
            assert len(set(where[role.name])) == len(where[role.name])
    for names in group.affined:
        assert len({host for name in names for host in where[name]}) <= 1
    for one, other in group.anti_affined:
        assert not set(where[one]) & set(where[other])


@UNTIMED
@given(snapshots())
def test_a_lost_host_finds_room_where_the_cluster_reserves(snapshot: ClusterSnapshot) -> None:
    found = placed(snapshot, place(snapshot, snapshot.pending))
    for cluster in snapshot.clusters:
        usable = [host for host in snapshot.hosts if host.cluster_id == cluster.id and host.state == "MONITORED"]
        coming = [vm for host in usable for vm in found[host.id]]
        if not cluster.reserve or not coming:
            continue
        assert sum(host.cpu_free for host in usable) - sum(vm.cpu for vm in coming) >= MAX_CPU
        assert sum(host.memory_free for host in usable) - sum(vm.memory for vm in coming) >= MAX_MEMORY
        after = [
            (
                host.name,
                (
                    host.cpu_free - sum(vm.cpu for vm in found[host.id]),
                    host.memory_free - sum(vm.memory for vm in found[host.id]),
                ),
                [(one.cpu, one.memory) for one in snapshot.residents if one.host_id == host.id]
                + [(vm.cpu, vm.memory) for vm in found[host.id]],
            )
            for host in usable
        ]
        assert loss(after) == ""


@UNTIMED
@given(snapshots())
def test_space_holds(snapshot: ClusterSnapshot) -> None:
    found, [local, shared] = placed(snapshot, place(snapshot, snapshot.pending)), snapshot.spaces
    needs = {key: sum(need for vm in found[key] for store, need in vm.space if store == 1) for key in found}
    if any(store == 1 for vm in found[1] for store, _ in vm.space):
        assert local.free - needs[1] >= local.keep
    on_shared = [need for mine in found.values() for vm in mine for store, need in vm.space if store == 2]
    if on_shared:
        assert shared.free - sum(on_shared) >= shared.keep


@UNTIMED
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_input_changes_nothing(snapshot: ClusterSnapshot, chance: random.Random) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(chance.sample(items, len(items)))

    again = msgspec.structs.replace(
        snapshot, hosts=shuffled(snapshot.hosts), clusters=shuffled(snapshot.clusters), residents=shuffled(snapshot.residents),
        spaces=shuffled(snapshot.spaces),
    )  # fmt: skip
    pending = shuffled(snapshot.pending)
    assert place(again, pending) == place(snapshot, snapshot.pending)  # type: ignore[arg-type]


@UNTIMED
@given(snapshots())
def test_a_snapshot_survives_json(snapshot: ClusterSnapshot) -> None:
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=ClusterSnapshot)
    assert place(again, again.pending) == place(snapshot, snapshot.pending)


@UNTIMED
@given(snapshots())
def test_an_explanation_agrees_with_a_plan_for_the_vm_alone(snapshot: ClusterSnapshot) -> None:
    vm = snapshot.pending[0]
    verdicts = {verdict.host: verdict for verdict in explain(snapshot, vm).hosts}
    plan = place(snapshot, [vm])
    if plan.actions:
        chosen = next(host.name for host in snapshot.hosts if host.id == plan.actions[0].host_id)
        assert verdicts[chosen].fits
    else:
        reserve = any(view.reserve for view in snapshot.clusters)
        assert reserve or not any(verdict.fits for verdict in verdicts.values())
        assert all(verdict.why for verdict in verdicts.values() if not verdict.fits)

"""VM groups in a plan, and what binds VMs that have a place."""

from __future__ import annotations

from typing import Any

from nebula.engine.scheduler.groups import GroupView, Member, Role
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.ties import sets
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, Plan, VmView


def host(number: int, memory: int = 8192) -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=1600, memory_free=memory, vms=0, cpu_max=1600,
        memory_max=max(memory, 8192),
    )  # fmt: skip


def vm(number: int, role: str, memory: int = 1024) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=100, memory=memory, group_id=1, role=role)


def group(*roles: Role, affined: Any = (), anti_affined: Any = ()) -> GroupView:
    return GroupView(id=1, name="shop", roles=roles, affined=affined, anti_affined=anti_affined)


WEB, DB = Role(name="web"), Role(name="db")
HOSTS = (host(1), host(2), host(3))


def plan_of(found: GroupView, vms: tuple[VmView, ...], hosts: tuple[HostView, ...] = HOSTS, members: Any = ()) -> Plan:
    return place(ClusterSnapshot(hosts=hosts, pending=vms, groups=(found,), members=members), vms)


def placed(plan: Plan) -> dict[int, int]:
    return {action.vm_id: action.host_id for action in plan.actions}


def member(number: int, role: str, *hosts: int, home: int = -1) -> Member:
    return Member(vm_id=number, vm=f"vm{number}", group_id=1, role=role, hosts=hosts, home=hosts[0] if home < 0 else home)


def test_an_affined_role_shares_a_host_that_has_room_for_all() -> None:
    web = Role(name="web", policy="AFFINED")
    hosts = (host(1, 3072), host(2, 4096), host(3, 2048))
    found = placed(plan_of(group(web), tuple(vm(number, "web") for number in range(1, 5)), hosts))
    assert found == {1: 2, 2: 2, 3: 2, 4: 2}


def test_an_affined_role_goes_where_it_is_already() -> None:
    web = Role(name="web", policy="AFFINED")
    plan = plan_of(group(web), (vm(1, "web"), vm(2, "web", 9000)), members=(member(9, "web", 3),))
    assert placed(plan) == {1: 3}
    assert plan.unplaced[0].hosts["h1"] == "group shop: role web share a host, and are on h3"
    assert plan.unplaced[0].hosts["h3"].startswith("short of memory")


def test_who_must_leave_its_host_holds_nobody_there() -> None:
    web = Role(name="web", policy="AFFINED")
    assert placed(plan_of(group(web), (vm(1, "web"),), members=(member(9, "web", 3, home=0),)))[1] == 1


def test_an_anti_affined_role_takes_a_host_a_vm() -> None:
    web = Role(name="web", policy="ANTI_AFFINED")
    plan = plan_of(group(web), tuple(vm(number, "web") for number in range(1, 5)))
    assert sorted(placed(plan).values()) == [1, 2, 3]
    assert plan.unplaced[0].summary == "3 hosts: 3 beside its group"
    assert plan.unplaced[0].hosts["h1"].startswith("group shop, role web: its VMs keep apart, and vm")


def test_a_vm_on_its_way_keeps_both_hosts() -> None:
    web = Role(name="web", policy="ANTI_AFFINED")
    assert placed(plan_of(group(web), (vm(1, "web"),), members=(member(9, "web", 1, 2),))) == {1: 3}


def test_roles_share_a_host_or_keep_apart() -> None:
    cache = Role(name="cache")
    rules = group(WEB, DB, cache, affined=(("cache", "web"),), anti_affined=(("db", "web"),))
    found = placed(plan_of(rules, (vm(1, "web"), vm(2, "web"), vm(3, "cache"), vm(4, "db"), vm(5, "db"))))
    assert found[1] == found[2] == found[3]
    assert found[1] not in {found[4], found[5]}


def test_a_role_is_bound_to_hosts_or_keeps_off_them() -> None:
    rules = group(Role(name="web", host_affined=(2,)), Role(name="db", host_anti_affined=(1, 2)))
    assert placed(plan_of(rules, (vm(1, "web"), vm(2, "db"), vm(3, "web")))) == {1: 2, 2: 3, 3: 2}
    plan = plan_of(rules, (vm(1, "web", 9000),))
    assert plan.unplaced[0].hosts["h1"] == "group shop: role web is bound to h2"


def test_tight_hosts_are_shared_out_so_that_all_find_a_place() -> None:
    web = Role(name="web", policy="ANTI_AFFINED")
    hosts = (host(1, 2048), host(2, 2048))
    large = VmView(id=3, name="vm3", cpu=100, memory=1024, only_on=1)
    assert set(placed(plan_of(group(web), (vm(1, "web", 1536), vm(2, "web", 512), large), hosts))) == {1, 2, 3}


def test_sets_of_vms_that_are_bound_to_each_other() -> None:
    rules = group(
        Role(name="web", policy="AFFINED"), Role(name="db", policy="ANTI_AFFINED"), Role(name="log"), Role(name="mon"),
        affined=(("log", "mon"),), anti_affined=(("db", "web"), ("log", "web")),
    )  # fmt: skip
    members = [
        member(number, role, 1) for number, role in ((1, "web"), (2, "web"), (3, "db"), (4, "db"), (5, "log"), (6, "mon"))
    ]
    together, apart = sets([rules], members)
    assert together == ((1, 2), (5, 6))
    assert apart == ((1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5), (3, 4))

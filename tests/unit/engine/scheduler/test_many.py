"""Many VMs in one plan: who is placed, how good the plan is, and how often it looks at hosts."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from nebula.engine.scheduler.place import arrange, place
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, VmView


def host(number: int, cpu: int = 3200, memory: int = 262144, **rest: Any) -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=cpu, memory_free=memory, vms=0, cpu_max=cpu,
        memory_max=memory, **rest,
    )  # fmt: skip


def vm(number: int, cpu: int = 100, memory: int = 1024, owner: str = "", **rest: Any) -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=cpu, memory=memory, owner=owner, **rest)


def placed(hosts: tuple[HostView, ...], vms: tuple[VmView, ...], **rest: Any) -> dict[int, int]:
    """VM -> host."""
    plan = place(ClusterSnapshot(hosts=hosts, pending=vms, **rest), vms)
    return {action.vm_id: action.host_id for action in plan.actions}


def instance(hosts: int, vms: int, seed: int) -> tuple[tuple[HostView, ...], tuple[VmView, ...]]:
    """Hosts of 32 cores and 256 GiB, VMs that ask for 55 % of the CPU and 60 % of the memory, few of them large."""
    chance = random.Random(seed)
    cpu = [min(8.0, chance.lognormvariate(-0.3, 1)) for _ in range(vms)]
    memory = [chance.choices((2, 4, 8, 16), (4, 3, 2, 1))[0] for _ in range(vms)]
    scales = 0.55 * 3200 * hosts / sum(cpu), 0.6 * 262144 * hosts / sum(memory)
    machines = tuple(
        vm(number + 1, max(1, round(cpu[number] * scales[0])), round(memory[number] * scales[1])) for number in range(vms)
    )
    return tuple(host(number + 1) for number in range(hosts)), machines


@pytest.mark.parametrize(("hosts", "vms", "seed"), [(4, 40, 0), (4, 40, 1), (10, 100, 2), (20, 200, 3), (50, 500, 4)])
def test_the_hottest_host_is_nearly_as_cool_as_the_mean(hosts: int, vms: int, seed: int) -> None:
    rooms, machines = instance(hosts, vms, seed)
    board = arrange(ClusterSnapshot(hosts=rooms, pending=machines), machines)
    mean = sum(item.cpu for item in machines) / (3200 * hosts)
    assert len(board.where) == vms
    assert max(1 - room.cpu / room.cpu_max for room in board.rooms.values()) <= mean + 0.004
    assert max(1 - room.memory / room.memory_max for room in board.rooms.values()) <= 0.69


@pytest.mark.parametrize(("hosts", "vms", "seed"), [(10, 100, 0), (20, 200, 1), (50, 500, 2)])
def test_packing_uses_few_more_hosts_than_must_be(hosts: int, vms: int, seed: int) -> None:
    rooms, machines = instance(hosts, vms, seed)
    clusters = (ClusterView(id=1, name="lab", policy="packing"),)
    board = arrange(ClusterSnapshot(hosts=rooms, pending=machines, clusters=clusters), machines)
    least = max(sum(item.cpu for item in machines) / 3200, sum(item.memory for item in machines) / 262144)
    assert len(board.where) == vms
    assert sum(1 for room in board.rooms.values() if room.taken) <= least * 1.1 + 1


def test_packing_fills_hosts_in_use_before_empty_ones() -> None:
    hosts = (host(1), host(2), host(3))
    used = msgspec.structs.replace(hosts[1], vms=3, cpu_max=6400)
    clusters = (ClusterView(id=1, name="lab", policy="packing"),)
    machines = tuple(vm(number) for number in range(1, 20))
    assert set(placed((hosts[0], used, hosts[2]), machines, clusters=clusters).values()) == {2}


def test_each_vm_is_looked_up_once_where_all_hosts_can_take_it() -> None:
    rooms, machines = instance(50, 500, 0)
    assert arrange(ClusterSnapshot(hosts=rooms, pending=machines), machines).looks == 500


def test_equal_vms_that_fit_nowhere_are_looked_at_once() -> None:
    hosts = tuple(host(number, cpu=100, memory=1024) for number in range(1, 51))
    machines = tuple(vm(number) for number in range(1, 201))
    board = arrange(ClusterSnapshot(hosts=hosts, pending=machines), machines)
    assert len(board.where) == 50
    assert board.looks <= 200


def test_largest_first_finds_room_that_order_of_age_would_not() -> None:
    hosts = (host(1, memory=8192), host(2, memory=8192))
    sizes = (2048, 2048, 2048, 2048, 4096, 4096)
    assert len(placed(hosts, tuple(vm(number, memory=size) for number, size in enumerate(sizes, 1)))) == 6


def test_a_vm_makes_way_for_one_that_fits_nowhere_else() -> None:
    hosts = (host(1, memory=4096, cpu=400), host(2, memory=4096, cpu=400))
    assert placed(hosts, (vm(1, memory=4096), vm(2, memory=2048, only_on=1))) == {1: 2, 2: 1}


def test_a_vm_that_cannot_run_blocks_no_other() -> None:
    hosts = (host(1, memory=8192),)
    assert set(placed(hosts, (vm(1, memory=1 << 20), vm(2), vm(3, impossible="nothing shared"), vm(4)))) == {2, 4}


def test_owners_take_turns_and_the_one_that_has_least_comes_first() -> None:
    hosts = (host(1, memory=8192),)
    vms = (*(vm(number, owner="ann") for number in range(1, 11)), *(vm(number, owner="bob") for number in range(11, 21)))
    assert Counter(owner_of(vms, placed(hosts, vms))) == {"ann": 4, "bob": 4}
    holdings = (("ann", 0, 4096), ("bob", 0, 0))
    assert Counter(owner_of(vms, placed(hosts, vms, holdings=holdings))) == {"ann": 2, "bob": 6}


def owner_of(vms: tuple[VmView, ...], found: dict[int, int]) -> list[str]:
    return [item.owner for item in vms if item.id in found]


def test_among_an_owners_vms_the_most_urgent_then_the_oldest_comes_first() -> None:
    hosts = (host(1, memory=3072),)
    vms = (vm(1), vm(2), vm(3, priority=1), vm(4, priority=-1), vm(5))
    assert set(placed(hosts, vms)) == {1, 2, 3}


def test_who_found_no_place_costs_its_owner_no_turn() -> None:
    hosts = (host(1, memory=4096),)
    vms = (
        vm(1, memory=100_000, owner="ann"),
        *(vm(number, owner="ann") for number in (2, 3, 4)),
        vm(5, owner="bob"),
        vm(6, owner="bob"),
    )
    assert Counter(owner_of(vms, placed(hosts, vms))) == {"ann": 2, "bob": 2}


def test_ranked_vms_stay_where_their_rank_put_them() -> None:
    hosts = tuple(host(number, attributes={"ID": number, "RUNNING_VMS": 0}) for number in (1, 2, 3))
    vms = tuple(vm(number, rank="ID") for number in range(1, 10))
    assert set(placed(hosts, vms).values()) == {3}


@pytest.mark.parametrize("policy", ["packing", "striping", "load-aware", "fixed"])
def test_the_order_of_vms_and_hosts_does_not_matter(policy: str) -> None:
    rooms, machines = instance(12, 150, 7)
    chance = random.Random(1)
    rooms = tuple(
        msgspec.structs.replace(room, cpu_free=chance.randint(500, 3200), memory_free=chance.randint(9000, 99999))
        for room in rooms
    )
    clusters = (ClusterView(id=1, name="lab", policy=policy),)
    first = place(ClusterSnapshot(hosts=rooms, pending=machines, clusters=clusters), machines)
    assert first.unplaced
    for _ in range(5):
        hosts, vms = list(rooms), list(machines)
        chance.shuffle(hosts)
        chance.shuffle(vms)
        assert place(ClusterSnapshot(hosts=tuple(hosts), pending=(), clusters=clusters), vms) == first

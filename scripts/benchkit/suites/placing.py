"""Many VMs placed in one plan: CPU time of `place`, its memory, the hottest host beside the mean, requirements kept."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator
from math import ceil

from benchkit.cluster_figure import few, figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.expressions import HOST, Value, requirement
from nebula.engine.scheduler.groups import GroupView, Role
from nebula.engine.scheduler.place import arrange, place
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, VmView

NEEDS_PROGRAM = False
SIZES = ((50, 500), (100, 1000), (200, 3000), (500, 10000))
PEERS = {(50, 500): "64 s", (100, 1000): "22 s", (200, 3000): "190 s and 3.7 GB"}
"""OneDRS `place` (an integer program on CBC), measured earlier."""
POLICIES = ("packing", "load-aware", "fixed")
CORES, MEMORY = 3200, 262144
_REQUIREMENT = "RACK != {0}"
_RACKS = 8


def run(bench: Bench) -> Iterator[Figure]:
    """Hosts of 32 cores and 256 GiB; VMs ask for 55 % of the CPU and 60 % of the memory, a few of them for much."""
    sizes = SIZES if bench.large else SIZES[:-1]
    for hosts, vms in sizes:
        yield from _plain(bench, hosts, vms)
    hosts, vms = SIZES[2]
    for policy in POLICIES:
        yield _timed(bench, _snapshot(hosts, vms, 0, policy=policy), f"place {vms} VMs on {hosts} hosts, {policy}")
    packed = _snapshot(hosts, vms, 0, policy="packing")
    needs = max(sum(vm.cpu for vm in packed.pending) / CORES, sum(vm.memory for vm in packed.pending) / MEMORY)
    used = sum(1 for room in arrange(packed, packed.pending).rooms.values() if room.taken)
    yield figure(f"place {vms} VMs, packing: hosts in use", "", [used], f"bound of any plan: {ceil(needs)}")
    yield from _ruled(bench, hosts, vms)
    crowded = _snapshot(hosts // 2, vms, 0)
    yield _timed(bench, crowded, f"place {vms} VMs on {hosts // 2} hosts, where not all fit")


def _plain(bench: Bench, hosts: int, vms: int) -> Iterator[Figure]:
    name, snapshot = f"place {vms} VMs on {hosts} hosts", _snapshot(hosts, vms, 0)
    peer = f"OneDRS {PEERS[hosts, vms]}, measured earlier" if (hosts, vms) in PEERS else ""
    yield _timed(bench, snapshot, name, peer)
    yield figure(f"{name}, memory", "MiB", [_memory(snapshot)])
    boards = [arrange(_snapshot(hosts, vms, seed), _snapshot(hosts, vms, seed).pending) for seed in range(few(bench))]
    mean = sum(vm.cpu for vm in snapshot.pending) / (CORES * hosts)
    yield figure(
        f"{name}, hottest host's CPU", "", [_hottest(board) for board in boards], f"mean {mean:.3f}, the bound of any plan"
    )
    yield figure(f"{name}, hottest host's memory", "", [_fullest(board) for board in boards])
    yield figure(f"{name}, hosts looked at a VM", "", [board.looks / vms for board in boards])


def _ruled(bench: Bench, hosts: int, vms: int) -> Iterator[Figure]:
    """A requirement a VM out of eight, groups that keep apart and share hosts, room for a lost host."""
    snapshot = _snapshot(hosts, vms, 0, rules=True)
    name = f"place {vms} VMs on {hosts} hosts, with requirements, groups and RESERVE_HOST"
    yield _timed(bench, snapshot, name)
    board = arrange(snapshot, snapshot.pending)
    yield figure(f"{name}: placed", "", [len(board.where)], f"of {vms}")
    yield figure(f"{name}: requirements broken", "", [_broken(board)])
    yield figure(f"{name}: hottest host's CPU", "", [_hottest(board)])


def _snapshot(hosts: int, vms: int, seed: int, *, policy: str = "striping", rules: bool = False) -> ClusterSnapshot:
    chance = random.Random(seed)  # noqa: S311 - instances, no secrets
    cpu = [min(8.0, chance.lognormvariate(-0.3, 1)) for _ in range(vms)]
    memory = [chance.choices((2, 4, 8, 16), (4, 3, 2, 1))[0] for _ in range(vms)]
    scales = 0.55 * CORES * hosts / sum(cpu), 0.6 * MEMORY * hosts / sum(memory)
    pending = tuple(
        VmView(
            id=number + 1, name=f"vm-{number}", cpu=max(1, round(cpu[number] * scales[0])),
            memory=round(memory[number] * scales[1]),
            requirements=_REQUIREMENT.format(number % _RACKS) if rules else "",
            group_id=number // 50 + 1 if rules and _role(number) else 0, role=_role(number) if rules else "",
        )
        for number in range(vms)
    )  # fmt: skip
    groups = tuple(_group(number) for number in range(1, vms // 50 + 2)) if rules else ()
    clusters = (ClusterView(id=1, name="lab", policy=policy, reserve=rules),)
    machines = tuple(_host(number, rules=rules) for number in range(1, hosts + 1))
    return ClusterSnapshot(hosts=machines, pending=pending, groups=groups, clusters=clusters)


def _role(number: int) -> str:
    """Of 50 VMs, five keep apart from each other and two share a host."""
    within = number % 50
    return "web" if within < 5 else "db" if within < 7 else ""


def _group(number: int) -> GroupView:
    roles = (Role(name="web", policy="ANTI_AFFINED"), Role(name="db", policy="AFFINED"))
    return GroupView(id=number, name=f"group-{number}", roles=roles)


def _host(number: int, *, rules: bool) -> HostView:
    attributes: dict[str, Value] = {"ID": number, "RACK": number % _RACKS} if rules else {}
    return HostView(
        id=number, name=f"host-{number}", cluster_id=1, state="MONITORED", cpu_free=CORES, memory_free=MEMORY, vms=0,
        cpu_max=CORES, memory_max=MEMORY, cpu_total=CORES, memory_total=MEMORY, attributes=attributes,
        priority=float(number % 5),
    )  # fmt: skip


def _timed(bench: Bench, snapshot: ClusterSnapshot, name: str, beside: str = "") -> Figure:
    return figure(name, "ms", [_milliseconds(snapshot) for _ in range(few(bench))], beside)


def _milliseconds(snapshot: ClusterSnapshot) -> float:
    before = time.process_time()
    place(snapshot, snapshot.pending)
    return (time.process_time() - before) * 1000


def _memory(snapshot: ClusterSnapshot) -> float:
    tracemalloc.start()
    place(snapshot, snapshot.pending)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / (1 << 20)


def _hottest(board: Board) -> float:
    return max(1 - room.cpu / room.cpu_max for room in board.rooms.values())


def _fullest(board: Board) -> float:
    return max(1 - room.memory / room.memory_max for room in board.rooms.values())


def _broken(board: Board) -> int:
    """VMs on a host that is not as they require, or beside one of their group from which they keep apart."""
    wrong = 0
    for room in board.rooms.values():
        webs = [vm.group_id for vm in room.taken if vm.role == "web"]
        wrong += len(webs) - len(set(webs))
        wrong += sum(not requirement(vm.requirements, HOST).holds(room.attributes) for vm in room.taken)
    homes: dict[int, set[int]] = {}
    for room in board.rooms.values():
        for vm in room.taken:
            if vm.role == "db":
                homes.setdefault(vm.group_id, set()).add(room.host.id)
    return wrong + sum(len(hosts) - 1 for hosts in homes.values())

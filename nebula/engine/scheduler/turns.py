"""Whose turn it is: among owners the one that has least, among an owner's VMs the most urgent, then the oldest."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from nebula.engine.scheduler.values import ClusterSnapshot, VmView


def in_turn(snapshot: ClusterSnapshot, pending: Sequence[VmView], offer: Callable[[VmView], bool]) -> list[VmView]:
    """Offer every VM a place, in turn; returns those for which `offer` found none.

    An owner has the larger of its shares of all CPU and of all memory; a VM that found no place adds nothing to it, so that
    it costs its owner no turn.
    """
    shares = _Shares(snapshot)
    queues = _queues(pending)
    heap = [(shares.of(owner), owner) for owner in queues]
    heapq.heapify(heap)
    left: list[VmView] = []
    while heap:
        _, owner = heap[0]
        vm = queues[owner].pop()
        if offer(vm):
            shares.add(owner, vm.cpu, vm.memory)
        else:
            left.append(vm)
        if queues[owner]:
            heapq.heapreplace(heap, (shares.of(owner), owner))
        else:
            heapq.heappop(heap)
    return left


def turns(snapshot: ClusterSnapshot, vms: Sequence[VmView]) -> list[VmView]:
    """VMs in the order of their turns, as if each found a place."""
    found: list[VmView] = []

    def offer(vm: VmView) -> bool:
        found.append(vm)
        return True

    in_turn(snapshot, vms, offer)
    return found


def _queues(pending: Sequence[VmView]) -> dict[str, list[VmView]]:
    """Each owner's VMs as a stack: the next one is at its end."""
    found: dict[str, list[VmView]] = {}
    for vm in sorted(pending, key=lambda vm: (-vm.priority, vm.id), reverse=True):
        found.setdefault(vm.owner, []).append(vm)
    return found


class _Shares:
    """What owners have, as shares of all that may be promised."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        self._cpu = max(1, sum(host.cpu_max or host.cpu_free for host in snapshot.hosts))
        self._memory = max(1, sum(host.memory_max or host.memory_free for host in snapshot.hosts))
        self._has = {owner: (cpu, memory) for owner, cpu, memory in snapshot.holdings}

    def of(self, owner: str) -> float:
        cpu, memory = self._has.get(owner, (0, 0))
        return max(cpu / self._cpu, memory / self._memory)

    def add(self, owner: str, cpu: int, memory: int) -> None:
        has = self._has.get(owner, (0, 0))
        self._has[owner] = has[0] + cpu, has[1] + memory

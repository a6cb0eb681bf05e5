"""N+1: a cluster with RESERVE_HOST=YES promises only what it can keep when it loses a host.

Two conditions: what is promised fits beside its largest host (in sum), and the VMs of each host really fit on the others,
the largest first. A VM that is in the cluster already may move within it: that is what the reserve is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.values import ClusterView, HostView, VmView

Size = tuple[int, int]
"""Hundredths of a core, MiB."""
MEMORY, CPU, LOSS = "short of spare memory", "short of spare CPU", "not safe from the loss of a host"


class Reserve:
    """What a cluster may still promise."""

    def __init__(self, cluster: ClusterView, hosts: Iterable[HostView]) -> None:
        usable = [host for host in hosts if host.cluster_id == cluster.id and host.state == "MONITORED"]
        self.name, self.broken = cluster.name, ""
        """`broken`: why it would not survive a loss, in words; set by whoever found out."""
        self._largest = max((host.cpu_max for host in usable), default=0), max((host.memory_max for host in usable), default=0)
        self._cpu = sum(host.cpu_free for host in usable) - self._largest[0]
        self._memory = sum(host.memory_free for host in usable) - self._largest[1]

    def promise(self, cpu: int, memory: int) -> None:
        """So much more is promised (negative: less)."""
        self._cpu -= cpu
        self._memory -= memory

    def refusal(self, cpu: int, memory: int) -> Refusal | None:
        """Why so much more cannot be promised."""
        keeps = f"cluster {self.name} keeps its largest host free (RESERVE_HOST)"
        if self.broken:
            return Refusal(LOSS, f"{keeps}: {self.broken}")
        if memory > self._memory:
            free, largest = max(0, self._memory), self._largest[1]
            words = f"{keeps}: beside the {largest} MiB of the largest {free} MiB are free, {memory} MiB needed"
            return Refusal(MEMORY, words, memory - self._memory)
        if cpu > self._cpu:
            spare, most = max(0, self._cpu) / 100, self._largest[0] / 100
            words = f"{keeps}: beside the {most:g} cores of the largest {spare:g} are free, {cpu / 100:g} needed"
            return Refusal(CPU, words, cpu - self._cpu)
        return None

    def refuses(self, vm: VmView, cluster_id: int) -> Refusal | None:
        """The same for a VM that comes to this cluster."""
        return None if vm.inside == cluster_id else self.refusal(vm.cpu, vm.memory)


def loss(hosts: Sequence[tuple[str, Size, Sequence[Size]]]) -> str:
    """Which host could not be lost, in words; empty: each of them could. A host is (name, what is free, the sizes of its
    VMs).
    """
    most = max((free[0] for _, free, _ in hosts), default=1) or 1, max((free[1] for _, free, _ in hosts), default=1) or 1
    for number, (name, _, vms) in enumerate(hosts):
        others = [list(free) for index, (_, free, _) in enumerate(hosts) if index != number]
        for cpu, memory in sorted(vms, key=lambda vm: (-max(vm[0] / most[0], vm[1] / most[1]), vm)):
            room = next((free for free in others if free[0] >= cpu and free[1] >= memory), None)
            if room is None:
                return f"were {name} to fail, its VM of {cpu / 100:g} cores and {memory} MiB would fit nowhere"
            room[0] -= cpu
            room[1] -= memory
    return ""

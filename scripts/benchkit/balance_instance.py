"""Clusters to balance, by hosts, VMs and seed: unevenly packed, 55 % of the CPU and 60 % of the memory in use.

Hosts have 32 cores and 256 GiB, all storage is shared. A VM's CPU is log-normal (at most 8 cores before scaling), its memory
2, 4, 8 or 16 GiB before scaling; hosts with low numbers get up to three times as many. The draws and their order are fixed, so
that a seed means the same cluster for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nebula.engine.drs.values import DrsHost, DrsSnapshot, DrsVm, Figures

CORES, GIB = 32, 256
_CPU, _MEMORY = 0.55, 0.6


class Instance(NamedTuple):
    """Cores and GiB of each VM, and the host that it is on."""

    hosts: int
    cores: NDArray[np.float64]
    gib: NDArray[np.float64]
    at: NDArray[np.int64]


def make(hosts: int, vms: int, seed: int) -> Instance:
    """The cluster of that seed."""
    random = np.random.default_rng(seed)
    cores = np.minimum(8, random.lognormal(-0.3, 1, vms))
    gib = random.choice([2, 4, 8, 16], vms, p=[0.4, 0.3, 0.2, 0.1]).astype(np.float64)
    cores *= _CPU * hosts * CORES / cores.sum()
    gib *= _MEMORY * hosts * GIB / gib.sum()
    weight = 1 / (1 + np.arange(hosts) * 2 / hosts)
    weight /= weight.sum()
    free = np.full(hosts, float(GIB))
    at = np.zeros(vms, dtype=np.int64)
    for number, size in enumerate(gib):
        host = int(random.choice(hosts, p=weight))
        while free[host] < size:
            host = int(random.choice(hosts, p=weight))
        at[number], free[host] = host, free[host] - size
    return Instance(hosts, cores, gib, at)


def snapshot(instance: Instance) -> DrsSnapshot:
    """As the planner sees it: what is measured is what will be."""
    memory = GIB * 1024
    hosts = tuple(
        DrsHost(id=n + 1, name=f"h{n}", capacity=Figures(CORES * 100.0, float(memory)), cpu_max=1 << 30, memory_max=memory)
        for n in range(instance.hosts)
    )
    vms = tuple(
        DrsVm(
            id=number + 1,
            name=f"v{number}",
            host_id=int(host) + 1,
            cpu=100,
            memory=int(gib * 1024),
            mean=Figures(float(cores) * 100, float(gib) * 1024),
            copy_mib=float(gib) * 1024,
        )
        for number, (cores, gib, host) in enumerate(zip(instance.cores, instance.gib, instance.at, strict=True))
    )
    return DrsSnapshot(cluster_id=1, cluster="bench", at=0.0, hosts=hosts, vms=vms)


class Result(NamedTuple):
    """Highest host load (CPU, memory), spread of the CPU loads (standard deviation), moves and what they copy."""

    cpu: float
    sd: float
    memory: float
    moves: int
    gib: float


def judge(instance: Instance, at: NDArray[np.int64]) -> Result:
    """An assignment beside the one before."""
    cpu, memory = np.zeros(instance.hosts), np.zeros(instance.hosts)
    np.add.at(cpu, at, instance.cores / CORES)
    np.add.at(memory, at, instance.gib / GIB)
    moved = at != instance.at
    return Result(float(cpu.max()), float(cpu.std()), float(memory.max()), int(moved.sum()), float(instance.gib[moved].sum()))

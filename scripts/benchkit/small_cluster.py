"""A small cluster as they are: Bitbrains' VMs on a handful of equal hosts, moved by whoever decides. A step takes 300 s.

The cluster as a whole is never short: at its busiest moment nine tenths of its CPU are wanted, and a host has a tenth more than
its largest VM ever wants. So what is short is short because of where VMs are. Storage is shared. A migration copies the memory
that the VM uses at 100 MiB/s; until it ends the VM runs at its source, counts its promised memory on both hosts, and costs a
tenth of its CPU on each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .traces import Floats

Ints = NDArray[np.int64]
METRICS = ("cpu", "memory", "disk", "network")
"""Hundredths of a core, MiB in use, MiB/s, MiB/s."""
STEP, LINK = 300.0, 100.0
"""Seconds of a step, and MiB/s of a migration."""
RETURN = 24
"""Steps within which a VM that comes back to a host counts as restless: two hours."""
_COPYING = 0.1
_BUSIEST, _LARGEST, _PROMISED = 0.9, 1.1, 0.7
"""The share of the cluster's CPU that is wanted at its busiest; a host's CPU by its largest VM; the share of the memory that
is promised.
"""
_SLACK = 1e-9


@dataclass(frozen=True)
class Cluster:
    """Equal hosts and their VMs: (N, T, 4) demand by METRICS, (N,) MiB promised, (4,) what a host has, MiB that it may promise,
    where the VMs begin, and how many steps are only looked at before anything moves or counts.
    """

    hosts: int
    demand: Floats
    promised: Floats
    capacity: Floats
    room: float
    begin: Ints
    warm: int

    @staticmethod
    def of(demand: Floats, promised: Floats, hosts: int, warm: int, seed: int) -> Cluster:
        """Hosts as large as these VMs need; hosts of low numbers get up to three times as many VMs."""
        total, largest = demand.sum(axis=0).max(axis=0), demand.max(axis=(0, 1))
        capacity = np.maximum(total / (hosts * _BUSIEST), largest * _LARGEST)
        room = max(float(promised.sum()) / hosts / _PROMISED, 2 * float(promised.max()))
        capacity[1] = room
        return Cluster(hosts, demand, promised, capacity, room, _begin(promised, hosts, room, seed), warm)

    def first(self, steps: int) -> Cluster:
        """The same hosts and VMs, ended after so many steps that count."""
        return replace(self, demand=self.demand[:, : self.warm + steps])


def _begin(promised: Floats, hosts: int, room: float, seed: int) -> Ints:
    random = np.random.default_rng(seed)
    weight = 1 / (1 + np.arange(hosts) * 2 / hosts)
    free = np.full(hosts, room)
    at = np.zeros(len(promised), dtype=np.int64)
    for vm in np.argsort(-promised, kind="stable"):
        chance = weight * (free >= promised[vm])
        at[vm] = int(random.choice(hosts, p=chance / chance.sum()))
        free[at[vm]] -= promised[vm]
    return at


class Seen(NamedTuple):
    """What whoever decides sees: the cluster, the step (its sample is the newest known), where VMs are, (N,) steps at which
    they came there, those under way, and (VM, host) -> the step at which it left.
    """

    cluster: Cluster
    step: int
    at: Ints
    came: Ints
    moving: NDArray[np.bool_]
    left: dict[tuple[int, int], int]

    def recent(self, steps: int) -> Floats:
        """(N, steps, 4): the newest samples."""
        return self.cluster.demand[:, max(0, self.step + 1 - steps) : self.step + 1]

    def load(self, demand: Floats) -> Floats:
        """(H, 4): shares of hosts' capacity at (N, 4) demand."""
        found = np.zeros((self.cluster.hosts, len(METRICS)))
        np.add.at(found, self.at, demand)
        return found / self.cluster.capacity


class Mover(Protocol):
    """Whoever decides; made anew for every run."""

    def decide(self, seen: Seen) -> Iterable[tuple[int, int]]:
        """(VM, host) of what is to move now, in that order."""
        ...


class Outcome(NamedTuple):
    """Percent of VM-time on hosts short of CPU, hours of hosts with VMs, migrations, GiB they copied, and how many of them
    brought a VM back to a host that it had left within two hours.
    """

    short: float
    host_hours: float
    moves: int
    gib: float
    returns: int


@dataclass
class Run:
    """Simulated days: all of them by `run` once, or one after the other by `go`."""

    cluster: Cluster
    at: Ints = field(init=False)
    _target: Ints = field(init=False)
    _ends: Ints = field(init=False)
    _came: Ints = field(init=False)
    _left: dict[tuple[int, int], int] = field(default_factory=dict)
    _moves: int = 0
    _gib: float = 0.0
    _returns: int = 0
    _short: float = 0.0
    _used: float = 0.0
    _steps: int = 0

    def __post_init__(self) -> None:
        count = len(self.cluster.begin)
        self.at = self.cluster.begin.copy()
        self._target = np.full(count, -1, dtype=np.int64)
        self._ends = np.zeros(count, dtype=np.int64)
        self._came = np.full(count, -1_000_000, dtype=np.int64)

    def run(self, mover: Mover) -> Outcome:
        """From the end of the warm time to the last sample."""
        self.go(mover, self.cluster.demand.shape[1] - self.cluster.warm)
        return self.outcome

    def go(self, mover: Mover, steps: int) -> None:
        """So many steps more; what is decided at a sample is at work when the next is taken."""
        begin = self.cluster.warm + self._steps
        for step in range(begin, begin + steps):
            self._arrive(step)
            self._short += self._lacking(step)
            self._used += len(np.unique(np.concatenate([self.at, self._target[self._target >= 0]])))
            moving = self._target >= 0
            for vm, host in mover.decide(Seen(self.cluster, step, self.at.copy(), self._came.copy(), moving, dict(self._left))):
                self._begin(vm, host, step)
        self._steps += steps

    @property
    def outcome(self) -> Outcome:
        """Of the steps so far."""
        time = max(1, self._steps * len(self.at))
        return Outcome(100 * self._short / time, self._used * STEP / 3600, self._moves, self._gib, self._returns)

    def _begin(self, vm: int, host: int, step: int) -> None:
        """A migration, if the target has the memory."""
        cluster = self.cluster
        if self._target[vm] >= 0 or self.at[vm] == host:
            return
        if self.promised()[host] + cluster.promised[vm] > cluster.room + _SLACK:
            return
        mib = max(1.0, float(cluster.demand[vm, step, 1]))
        self._target[vm], self._ends[vm] = host, step + int(np.ceil(mib / LINK / STEP))
        self._moves += 1
        self._gib += mib / 1024
        self._returns += step - self._left.get((vm, host), -1_000_000) <= RETURN

    def promised(self) -> Floats:
        """(H,): MiB, VMs under way on both hosts."""
        going = self._target >= 0
        held = np.bincount(self.at, self.cluster.promised, self.cluster.hosts)
        return np.asarray(held + np.bincount(self._target[going], self.cluster.promised[going], self.cluster.hosts))

    def _arrive(self, step: int) -> None:
        for vm in np.flatnonzero((self._target >= 0) & (self._ends <= step)):
            self._left[int(vm), int(self.at[vm])] = step
            self.at[vm], self._came[vm], self._target[vm] = self._target[vm], step, -1

    def _lacking(self, step: int) -> int:
        """VMs that want CPU on hosts that have less than is wanted."""
        cpu = self.cluster.demand[:, step, 0]
        going = self._target >= 0
        wanted = np.bincount(self.at, cpu * (1 + _COPYING * going), self.cluster.hosts)
        wanted += np.bincount(self._target[going], cpu[going] * _COPYING, self.cluster.hosts)
        return int(((wanted > self.cluster.capacity[0] + _SLACK)[self.at] & (cpu > 0)).sum())

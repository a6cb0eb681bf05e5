"""What VMs used together on their hosts: the joint history, which knows whether peaks coincide.

Two VMs that are busy at different times need less together than the sum of what each needs alone. So a host's level is the
mean of its VMs' joint history plus some of its standard deviations, and never below what they use now, nor below what is
expected of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nebula.engine.drs.problem import Flags, Floats, Ints

_SLACK = 1e-6


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Hosts and VMs as arrays: H hosts, N VMs, W samples (the newest last), P capacities that are promised, R metrics of which
    something is expected.
    """

    capacity: Floats
    """(H,): what a host has of what `history` counts."""
    single: Floats
    """(H,): the most that one VM gets there."""
    watts: Floats
    """(H, K): power of a host in use at evenly spaced loads from 0 to 1."""
    history: Floats
    """(N, W)"""
    at: Ints
    """(N,): index of the host."""
    promised_capacity: Floats
    """(H, P)"""
    promised: Floats
    """(N, P)"""
    price: Floats
    """(N,): what a move of the VM costs, in any unit."""
    movable: Flags
    """(N,)"""
    open: Flags
    """(H,): whether the host takes VMs."""
    allowed: Flags | None = None
    """(N, H): whether the VM may be on the host; None: everywhere."""
    apart: tuple[tuple[int, ...], ...] = ()
    """Sets of VMs no two of which may share a host."""
    expected_capacity: Floats | None = None
    """(H, R); None: nothing is expected."""
    expected: Floats | None = None
    """(N, R): what a VM will use on average."""
    variance: Floats | None = None
    """(N, R): of that; None: it is certain."""
    coverage: float = 0.0
    """Standard deviations of what is expected in a host's level."""

    def power(self, load: Floats, hosts: Ints | slice = slice(None)) -> Floats:
        """Watts of hosts in use at these shares of their capacity."""
        watts = self.watts[hosts]
        steps = watts.shape[1] - 1
        scaled = np.clip(load, 0.0, 1.0) * steps
        low = np.minimum(scaled.astype(np.int64), steps - 1)
        rows = np.arange(len(low))
        found: Floats = watts[rows, low] + (watts[rows, low + 1] - watts[rows, low]) * (scaled - low)
        return found


class Joint:
    """Joint histories of the hosts, kept up to date while VMs are shifted."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.at: Ints = fleet.at.copy()
        hosts, width = len(fleet.capacity), fleet.history.shape[1]
        self._mean = fleet.history.mean(axis=1)
        self._off = fleet.history - self._mean[:, None]
        self._square = (self._off * self._off).mean(axis=1)
        self.mean: Floats = np.asarray(np.bincount(self.at, self._mean, hosts), dtype=np.float64)
        self.now: Floats = np.asarray(np.bincount(self.at, fleet.history[:, -1], hosts), dtype=np.float64)
        self.off: Floats = np.zeros((hosts, width))
        np.add.at(self.off, self.at, self._off)
        self.variance: Floats = (self.off * self.off).mean(axis=1)
        self.taken: Floats = np.zeros(fleet.promised_capacity.shape)
        np.add.at(self.taken, self.at, fleet.promised)
        self._ahead = _Ahead(fleet, self.at)
        self.on: list[set[int]] = [set() for _ in range(hosts)]
        for vm, host in enumerate(self.at):
            self.on[host].add(vm)
        self.used: Flags = np.array([bool(vms) for vms in self.on])
        self._groups: dict[int, list[tuple[int, ...]]] = {}
        for group in fleet.apart:
            for vm in group:
                self._groups.setdefault(vm, []).append(group)

    def level(self, deviations: float) -> Floats:
        """(H,): shares of capacity."""
        used = self._high(self.mean, self.variance, self.now, deviations) / self.fleet.capacity
        return np.asarray(np.maximum(used, self._ahead.level()))

    def steady(self, deviations: float) -> Floats:
        """(H,): the same without what is used at this moment."""
        used = self._high(self.mean, self.variance, self.mean, deviations) / self.fleet.capacity
        return np.asarray(np.maximum(used, self._ahead.level()))

    def without(self, host: int, vm: int, deviations: float) -> float:
        """The host's level if the VM left."""
        off = self.off[host] - self._off[vm]
        mean, now = self.mean[host] - self._mean[vm], self.now[host] - self.fleet.history[vm, -1]
        high = max(now, mean + deviations * float(np.sqrt((off * off).mean())))
        return max(float(high / self.fleet.capacity[host]), self._ahead.without(host, vm))

    def joined(self, vm: int, deviations: float) -> Floats:
        """(H,): each host's level if the VM came."""
        width = self.fleet.history.shape[1]
        variance = self.variance + self._square[vm] + (2.0 / width) * (self.off @ self._off[vm])
        now = self.now + self.fleet.history[vm, -1]
        used = self._high(self.mean + self._mean[vm], variance, now, deviations) / self.fleet.capacity
        return np.asarray(np.maximum(used, self._ahead.joined(vm)))

    def _high(self, mean: Floats, variance: Floats, now: Floats, deviations: float) -> Floats:
        return np.asarray(np.maximum(now, mean + deviations * np.sqrt(np.maximum(variance, 0.0))))

    def may(self, vm: int) -> Flags:
        """(H,): rules and promised capacity allow the VM there, and one VM gets there what it used at most."""
        fleet = self.fleet
        left = fleet.promised_capacity - self.taken + _SLACK
        fine: Flags = fleet.open & np.all(fleet.promised[vm] <= left, axis=1)
        fine &= fleet.history[vm].max() <= fleet.single + _SLACK
        if fleet.allowed is not None:
            fine &= fleet.allowed[vm]
        fine[self.at[vm]] = False
        fine[[int(self.at[other]) for group in self._groups.get(vm, ()) for other in group if other != vm]] = False
        return fine

    def shift(self, vm: int, target: int) -> None:
        """Put the VM on another host."""
        for host, sign in ((int(self.at[vm]), -1), (target, 1)):
            self.mean[host] += sign * self._mean[vm]
            self.now[host] += sign * self.fleet.history[vm, -1]
            self.off[host] += sign * self._off[vm]
            self.variance[host] = float((self.off[host] * self.off[host]).mean())
            self.taken[host] += sign * self.fleet.promised[vm]
            self._ahead.shift(host, vm, sign)
        self.on[self.at[vm]].remove(vm)
        self.on[target].add(vm)
        self.used[[int(self.at[vm]), target]] = bool(self.on[self.at[vm]]), True
        self.at[vm] = target


class _Ahead:
    """What is expected of the hosts' VMs, whose means and variances add up; nothing where the fleet says nothing."""

    def __init__(self, fleet: Fleet, at: Ints) -> None:
        hosts, count = len(fleet.capacity), len(at)
        self._capacity = np.ones((hosts, 1)) if fleet.expected_capacity is None else fleet.expected_capacity
        self._mean = np.zeros((count, 1)) if fleet.expected is None else fleet.expected
        self._variance = np.zeros_like(self._mean) if fleet.variance is None else fleet.variance
        self._coverage = fleet.coverage
        self.mean: Floats = np.zeros((hosts, self._mean.shape[1]))
        self.variance: Floats = np.zeros_like(self.mean)
        np.add.at(self.mean, at, self._mean)
        np.add.at(self.variance, at, self._variance)

    def level(self) -> Floats:
        """(H,): of the metric of which a host has least left."""
        return self._share(self.mean, self.variance, self._capacity)

    def joined(self, vm: int) -> Floats:
        """(H,): if the VM came."""
        return self._share(self.mean + self._mean[vm], self.variance + self._variance[vm], self._capacity)

    def without(self, host: int, vm: int) -> float:
        """Of the host, if the VM left."""
        mean, variance = self.mean[host] - self._mean[vm], self.variance[host] - self._variance[vm]
        return float(self._share(mean, variance, self._capacity[host]))

    def shift(self, host: int, vm: int, sign: int) -> None:
        """The VM comes to the host (1), or leaves it (-1)."""
        self.mean[host] += sign * self._mean[vm]
        self.variance[host] += sign * self._variance[vm]

    def _share(self, mean: Floats, variance: Floats, capacity: Floats) -> Floats:
        high = mean + self._coverage * np.sqrt(np.maximum(variance, 0.0))
        return np.asarray((high / capacity).max(axis=-1))

"""The floor of consolidation: a simple rule that looks at the joint history of a host's VMs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .consolidation import HOSTS, MEMORY, Flags, View
from .traces import Floats

_WINDOW, _REST = 12, 6
_TAKES, _CALM, _LIGHT, _SHARE = 2.0, 0.95, 0.7, 20
_SLACK = 1e-9


class HistoryRule:
    """A host takes a VM if mean + 2 sd of their joint history, and what they use now, are within its capacity. It is overloaded
    if mean + sd is above it, or if it is above it now and was at the sample before, too, or mean + sd is above .95. Least used
    hosts are emptied whole, at most one in twenty of those in use.
    """

    def decide(self, view: View) -> list[tuple[int, int]]:
        """Relieve, then empty."""
        work = _Work(view)
        over = work.over()
        moves = [move for host in np.flatnonzero(over) for move in work.relieve(int(host), over)]
        return moves + work.empty(over)


class _Work:
    """Joint histories of the hosts while the moves are chosen."""

    def __init__(self, view: View) -> None:
        self.park, self.capacity, self.memory = view.park, view.park.capacity, view.memory
        self.size = view.load.memory
        self.at = view.at
        self.history = view.seen[:, -_WINDOW:]
        self.peak = self.history.max(axis=1)
        self.fresh = view.moved > view.step - _REST
        here = self.at >= 0
        self.joint = np.zeros((HOSTS, self.history.shape[1]))
        np.add.at(self.joint, self.at[here], self.history[here])
        self.held = np.bincount(self.at[here], self.memory[here], HOSTS)
        self.on: list[set[int]] = [set() for _ in range(HOSTS)]
        for vm in np.flatnonzero(here):
            self.on[self.at[vm]].add(int(vm))
        self.used = np.array([bool(vms) for vms in self.on])

    def over(self) -> Flags:
        """(H,): whether a host is overloaded."""
        high, now = _high(self.joint, 1.0) / self.capacity, self.joint[:, -1] / self.capacity
        before = self.joint[:, -2] / self.capacity if self.joint.shape[1] > 1 else np.zeros(HOSTS)
        return np.asarray((high > 1) | ((now > 1) & ((high > _CALM) | (before > 1))))

    def relieve(self, host: int, closed: Flags) -> list[tuple[int, int]]:
        """VMs leave until the host is calm, or none has anywhere to go."""
        moves: list[tuple[int, int]] = []
        stuck: set[int] = set()
        while not self._calm(self.joint[host], host) and self.on[host] - stuck:
            vm = self._chosen(host, sorted(self.on[host] - stuck))
            target = self._best(vm, closed)
            if target < 0:
                stuck.add(vm)
                continue
            self._shift(vm, host, target)
            moves.append((vm, target))
        return moves

    def _calm(self, joint: Floats, host: int) -> bool:
        limit = _CALM * self.capacity[host]
        return bool(joint[-1] <= limit and _high(joint, 1.0) <= limit)

    def _chosen(self, host: int, vms: Sequence[int]) -> int:
        """The one of least memory that mends it; if none does, the one with most demand per memory."""
        mends = [vm for vm in vms if self._calm(self.joint[host] - self.history[vm], host)]
        if mends:
            return min(mends, key=lambda vm: (self.fresh[vm], self.size[vm], vm))
        return min(vms, key=lambda vm: (self.fresh[vm], -self.history[vm, -1] / self.size[vm], vm))

    def empty(self, over: Flags) -> list[tuple[int, int]]:
        """Whole hosts, the least used first."""
        use = self.joint[:, -1] / self.capacity
        used = [host for host in range(HOSTS) if self.on[host]]
        closed = over.copy()
        closed[[host for host in range(HOSTS) if not self.on[host]]] = True
        moves: list[tuple[int, int]] = []
        left = max(1, len(used) // _SHARE)
        targets: set[int] = set()
        for host in sorted(used, key=lambda host: (use[host], host)):
            vms = sorted(self.on[host], key=lambda vm: (-self.history[vm, -1], vm))
            if not left or use[host] >= _LIGHT:
                break
            if over[host] or host in targets or self.fresh[vms].any():
                continue
            found = self._out(host, vms, closed)
            if found:
                left -= 1
                closed[host] = True
                moves += found
                targets |= {target for _, target in found}
        return moves

    def _out(self, host: int, vms: Sequence[int], closed: Flags) -> list[tuple[int, int]]:
        """All of them, or none."""
        moves: list[tuple[int, int]] = []
        shut = closed.copy()
        shut[host] = True
        for vm in vms:
            target = self._best(vm, shut)
            if target < 0:
                for back, there in moves:
                    self._shift(back, there, host)
                return []
            self._shift(vm, host, target)
            moves.append((vm, target))
        return moves

    def _best(self, vm: int, closed: Flags) -> int:
        fine = ~closed & (self.peak[vm] <= self.park.core) & (self.held + self.memory[vm] <= MEMORY + _SLACK)
        fine &= self.joint[:, -1] + self.history[vm, -1] <= self.capacity
        hosts = np.flatnonzero(fine)
        hosts = hosts[_high(self.joint[hosts] + self.history[vm], _TAKES) <= self.capacity[hosts]]
        if not len(hosts):
            return -1
        now = self.joint[:, -1]
        before = np.where(self.used, self.park.power(now / self.capacity), 0.0)
        grows = self.park.power((now + self.history[vm, -1]) / self.capacity) - before
        return int(hosts[np.argmin(grows[hosts])])

    def _shift(self, vm: int, source: int, target: int) -> None:
        self.joint[source] -= self.history[vm]
        self.joint[target] += self.history[vm]
        self.held[source] -= self.memory[vm]
        self.held[target] += self.memory[vm]
        self.on[source].remove(vm)
        self.on[target].add(vm)
        self.used[[source, target]] = bool(self.on[source]), True


def _high(joint: Floats, deviations: float) -> Floats:
    """Mean and so many standard deviations along the last axis."""
    return np.asarray(joint.mean(axis=-1) + deviations * joint.std(axis=-1))

"""LR-MMT 1.2, the best rule that CloudSim brings: a line through a host's last samples, and the VM that is moved soonest."""

from __future__ import annotations

import numpy as np

from .consolidation import HOSTS, MEMORY, Flags, View
from .traces import Floats

_SAMPLES, _SAFETY, _FALLBACK = 10, 1.2, 0.7
_SLACK = 1e-9


class LrMmt:
    """A host is overloaded if a line through its VMs' ten last sums, a step on, times 1.2, reaches its capacity; before there
    are ten samples, if the present sum is above .7 of it. Sums of lines are lines, so each VM has a share of that. As in
    CloudSim a target's power grows from what it was at the begin of the step, an idle host's from that of an idle one, and
    hosts that were just sent VMs to relieve others may be emptied at once, these VMs included, which then move twice.
    """

    def decide(self, view: View) -> list[tuple[int, int]]:
        """Relieve what is overloaded, then empty the least used hosts."""
        work = _Work(view)
        over = work.over()
        waiting = [vm for host in np.flatnonzero(over) for vm in work.relieve(int(host))]
        moves = work.place(waiting, over, whole=False) or []
        return moves + self._empty(work, over)

    def _empty(self, work: _Work, over: Flags) -> list[tuple[int, int]]:
        closed = over | (work.first <= 0)
        done = closed.copy()
        moves: list[tuple[int, int]] = []
        while not done.all():
            host = int(np.argmin(np.where(done, np.inf, work.first / work.capacity)))
            done[host] = closed[host] = True
            found = work.place(sorted(work.on[host]), closed, whole=True)
            if found:
                moves += found
                done[[target for _, target in found]] = True
        return moves


class _Work:
    """Sums of the hosts while the moves are chosen."""

    def __init__(self, view: View) -> None:
        self.at, self.capacity, self.core, self.park = view.at, view.park.capacity, view.park.core, view.park
        self.demand, self.memory = view.seen[:, -1], view.memory
        self.size, self.moved = view.load.memory, view.moved
        self.line = _line(view.seen)
        here = self.at >= 0
        self.now = np.bincount(self.at[here], self.demand[here], HOSTS)
        self.first = self.now.copy()
        self.coming = np.bincount(self.at[here], self.line[here], HOSTS)
        self.held = np.bincount(self.at[here], self.memory[here], HOSTS)
        self.on: list[set[int]] = [set() for _ in range(HOSTS)]
        for vm in np.flatnonzero(here):
            self.on[self.at[vm]].add(int(vm))

    def over(self) -> Flags:
        """(H,): whether a host is overloaded."""
        return np.asarray(self.coming >= self.capacity - _SLACK)

    def relieve(self, host: int) -> list[int]:
        """The smallest VMs until it is not overloaded; among those of one size the one that came first."""
        out = []
        for vm in sorted(self.on[host], key=lambda vm: (self.size[vm], self.moved[vm], vm)):
            self._shift(vm, host, -1)
            out.append(vm)
            if self.coming[host] < self.capacity[host]:
                break
        return out

    def place(self, vms: list[int], closed: Flags, *, whole: bool) -> list[tuple[int, int]] | None:
        """By falling CPU, where the power grows least; None: `whole`, and one has no host."""
        moves: list[tuple[int, int]] = []
        for vm in sorted(vms, key=lambda vm: (-self.demand[vm], vm)):
            host = self._best(vm, closed)
            if host >= 0:
                self._shift(vm, host, 1)
                moves.append((vm, host))
            elif whole:
                for back, target in moves:
                    self._shift(back, target, -1)
                return None
        return moves

    def _best(self, vm: int, closed: Flags) -> int:
        after = self.now + self.demand[vm]
        fine = ~closed & (self.core >= self.demand[vm]) & (after <= self.capacity)
        fine &= (self.now <= 0) | (self.coming + self.line[vm] < self.capacity)
        fine &= self.held + self.memory[vm] <= MEMORY
        if not fine.any():
            return -1
        grows = self.park.power(after / self.capacity) - self.park.power(self.first / self.capacity)
        return int(np.argmin(np.where(fine, grows, np.inf)))

    def _shift(self, vm: int, host: int, sign: int) -> None:
        if sign > 0:
            self.on[host].add(vm)
        else:
            self.on[host].discard(vm)
        self.now[host] += sign * self.demand[vm]
        self.coming[host] += sign * self.line[vm]
        self.held[host] += sign * self.memory[vm]


def _line(seen: Floats) -> Floats:
    """(N,): each VM's share of what is compared with the capacity."""
    if seen.shape[1] < _SAMPLES:
        return np.asarray(seen[:, -1] / _FALLBACK)
    x = np.arange(_SAMPLES) - (_SAMPLES - 1) / 2
    weights = 1 / _SAMPLES + x * ((_SAMPLES + 1) / 2) / (x @ x)
    return np.asarray(seen[:, -_SAMPLES:] @ weights * _SAFETY)

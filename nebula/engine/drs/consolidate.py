"""Fewer hosts for the same work: relieve what runs short, then empty whole hosts, by the joint history of their VMs.

A move is made only if it is worth it: a host is relieved when its VMs' joint history says that the shortage stays, and emptied
when the power that it would save, for each VM that has to move, is above a threshold.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from nebula.engine.drs.joint import Fleet, Joint
from nebula.engine.drs.problem import Flags, Floats, Ints

_LEAST = 1e-9
_A_MOVE, _LOSS = 0.3, 3.0
"""What moves cost of themselves, and the work that is lost by them, as shares of the power of an idle host, where both are what
they are on a usual host.
"""
_QUIET, _IDLE = 0.4, 0.01
"""A host waits for a moment at which emptying it loses at most this share of the work that a usual one loses, or no more than
at any other moment of its history; one that uses this share of its capacity is quiet, too.
"""


class Packing(msgspec.Struct, frozen=True, kw_only=True):
    """How boldly hosts are filled. Levels are shares of a host's capacity."""

    fill: float = 0.85
    """The level up to which a host takes VMs."""
    take_deviations: float = 2.0
    """Standard deviations of the joint history in that level."""
    limit: float = 1.0
    """The level above which a host is relieved."""
    calm: float = 0.95
    """The level down to which it is relieved."""
    deviations: float = 1.0
    """Standard deviations in both of these."""
    least_watts: float = 4.0
    """What a host must save for each VM that leaves it."""
    share: float = 0.065
    """At most this share of the hosts in use is emptied by one plan."""
    doubt: float = 6.0
    """A history of so many samples is trusted half: short ones have wider deviations."""


def consolidate(fleet: Fleet, packing: Packing, *, budget: int = 1 << 30) -> list[tuple[int, int]]:
    """(VM, host) of the moves, at most `budget` of them."""
    return Consolidation(fleet, packing, budget).run()


class Consolidation:
    """One plan; `run` once."""

    def __init__(self, fleet: Fleet, packing: Packing, budget: int) -> None:
        self.fleet, self.packing = fleet, packing
        self.joint = Joint(fleet)
        self._left = budget
        width = fleet.history.shape[1]
        self._wide = float(np.sqrt(1.0 + packing.doubt / width))
        self.room = room(fleet)

    def run(self) -> list[tuple[int, int]]:
        """Relieve, then empty."""
        over = self._over()
        for host in np.flatnonzero(over):
            self._relieve(int(host), over)
        self._empty_all(over)
        moved = np.flatnonzero(self.joint.at != self.fleet.at)
        return [(int(vm), int(self.joint.at[vm])) for vm in moved]

    # --- shortage

    def _over(self) -> Flags:
        """Hosts that are short now and were at the sample before, or whose level says that they will be."""
        joint, packing, capacity = self.joint, self.packing, self.fleet.capacity
        expected = joint.steady(packing.deviations)
        now = joint.now / capacity
        before = (joint.mean + joint.off[:, max(-2, -joint.off.shape[1])]) / capacity
        return np.asarray((expected > packing.limit) | ((now > 1) & ((expected > packing.calm) | (before > 1))))

    def _relieve(self, host: int, over: Flags) -> None:
        joint, packing = self.joint, self.packing
        stuck: set[int] = set()
        while self._left > 0 and joint.level(packing.deviations)[host] > packing.calm:
            vms = sorted(vm for vm in joint.on[host] - stuck if self.fleet.movable[vm])
            if not vms:
                return
            vm = self._chosen(host, vms)
            target = self._target(vm, ~over, off=True)
            if target < 0:
                stuck.add(vm)
                continue
            self._shift(vm, target)

    def _chosen(self, host: int, vms: list[int]) -> int:
        """The cheapest that mends it; if none does, the one that brings most for its price."""
        packing, price = self.packing, self.fleet.price
        mends = [vm for vm in vms if self.joint.without(host, vm, packing.deviations) <= packing.calm]
        if mends:
            return min(mends, key=lambda vm: (price[vm], vm))
        return min(vms, key=lambda vm: (-self.fleet.history[vm].mean() / max(price[vm], _LEAST), vm))

    # --- emptying

    def _empty_all(self, over: Flags) -> None:
        """Whole hosts; never one that VMs were just sent to."""
        keep = over | ~self.joint.used
        closed = keep.copy()
        count = np.array([len(vms) for vms in self.joint.on])
        saved = self._saved()
        left = max(1, int(self.packing.share * self.joint.used.sum()))
        for host in self._order(saved, count):
            if not left:
                return
            if keep[host] or not self.joint.used[host] or saved[host] < self.packing.least_watts * count[host]:
                continue
            targets = self._out(int(host), closed)
            closed[host] |= bool(targets)
            left -= bool(targets)
            keep[targets] = True

    def _order(self, saved: Floats, count: Ints) -> Ints:
        """Hosts in use that are quiet now, the best to empty first: what it saves, less what its room is worth elsewhere, less
        the work that its VMs lose while they move now (what they use, for as long as they are copied).
        """
        fleet, used = self.fleet, self.joint.used
        losses = np.zeros((len(saved), fleet.history.shape[1]))
        np.add.at(losses, self.joint.at, fleet.price[:, None] * fleet.history)
        lost = losses[:, -1]
        usual = max(float(lost[used].mean()), _LEAST)
        trouble = _LOSS * lost / usual + _A_MOVE * count / float(count[used].mean())
        key = float(fleet.watts[:, 0].mean()) * trouble + self.room.worth - saved
        quiet = lost <= np.maximum(_QUIET * usual, losses.min(axis=1) + _LEAST)
        quiet |= self.joint.now <= _IDLE * fleet.capacity
        hosts = np.flatnonzero(used & quiet)
        return hosts[np.argsort(key[hosts], kind="stable")]

    def _saved(self) -> Floats:
        """(H,): the power of a host less what its work takes elsewhere."""
        slope = float(((self.fleet.watts[:, -1] - self.fleet.watts[:, 0]) / self.fleet.capacity).min())
        power: Floats = self.fleet.power(self.joint.now / self.fleet.capacity)
        return power - slope * self.joint.now

    def _out(self, host: int, closed: Flags) -> list[int]:
        """All of its VMs, or none; returns where they went."""
        joint = self.joint
        vms = sorted(joint.on[host], key=lambda vm: (-self.fleet.history[vm].mean(), vm))
        if len(vms) > self._left or not self.fleet.movable[vms].all():
            return []
        done: list[int] = []
        for vm in vms:
            target = self._target(vm, ~closed, off=False)
            if target < 0:
                for back in done:
                    joint.shift(back, host)
                    self._left += 1
                return []
            self._shift(vm, target)
            done.append(vm)
        return [int(joint.at[vm]) for vm in done]

    def _target(self, vm: int, candidates: Flags, *, off: bool) -> int:
        """The fullest host that can take it; the most efficient one that is off only if `off` and no other can."""
        joint, packing = self.joint, self.packing
        fine = joint.may(vm) & candidates
        if not fine.any():
            return -1
        level = joint.joined(vm, packing.take_deviations * self._wide)
        fine &= level <= packing.fill
        on = fine & joint.used
        if on.any():
            after = (joint.taken + self.fleet.promised[vm]) / np.maximum(self.fleet.promised_capacity, _LEAST)
            full = np.maximum(level, after.max(axis=1))
            return int(np.argmax(np.where(on, full, -1.0)))
        if not off or not fine.any():
            return -1
        return int(np.argmin(np.where(fine, self.room.watts, np.inf)))

    def _shift(self, vm: int, target: int) -> None:
        self.joint.shift(vm, target)
        self._left -= 1


class Room(NamedTuple):
    """What hosts' room costs. `watts`: (H,), for a unit of what the cluster is shortest of, when a host is full of that;
    `worth`: (H,), what all of a host's would take on the most efficient one.
    """

    watts: Floats
    worth: Floats


def room(fleet: Fleet) -> Room:
    """The shortest is what the largest share is used or promised of: the measured metric, or one of the promised."""
    whole = np.concatenate([fleet.capacity[:, None], fleet.promised_capacity], axis=1)
    use = np.concatenate([[fleet.history.mean(axis=1).sum()], fleet.promised.sum(axis=0)])
    scarce = int(np.argmax(use / np.maximum(whole.sum(axis=0), _LEAST)))
    full = whole[:, scarce]
    load = full * (use[0] / max(float(use[scarce]), _LEAST)) / fleet.capacity
    watts: Floats = fleet.power(load) / np.maximum(full, _LEAST)
    return Room(watts, full * watts.min())

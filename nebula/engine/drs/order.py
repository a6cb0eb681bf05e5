"""In which order the moves of a plan are made, so that no step breaks a capacity or a rule.

While a VM is under way it counts on both hosts: its source holds it until the end, its target from the begin. Moves that fit
together make a wave. VMs that wait for each other's room go by a third host, or stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nebula.engine.drs.problem import Ints, Problem

_SLACK = 1e-9


class Leg(NamedTuple):
    """One migration: VM, source and target by index; legs of one `wave` may be under way at once."""

    vm: int
    source: int
    target: int
    wave: int


class _Occupancy:
    """What is on the hosts while a plan is carried out."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.at: Ints = problem.at.copy()
        self.taken = np.zeros(problem.promised_capacity.shape)
        placed = np.flatnonzero(problem.at >= 0)
        np.add.at(self.taken, problem.at[placed], problem.promised[placed])
        self.arriving: dict[int, int] = {}

    def takes(self, vm: int, host: int) -> bool:
        """Whether the VM may arrive now."""
        problem = self.problem
        if (problem.promised[vm] > problem.promised_capacity[host] - self.taken[host] + _SLACK).any():
            return False
        return not any(
            other != vm and (self.at[other] == host or self.arriving.get(other) == host)
            for group in problem.members.get(vm, ())
            for other in problem.apart[group]
        )

    def begin(self, vm: int, host: int) -> None:
        """It is under way: its room is taken at both ends."""
        self.taken[host] += self.problem.promised[vm]
        self.arriving[vm] = host

    def arrive(self) -> None:
        """All that are under way have arrived."""
        for vm, host in self.arriving.items():
            self.taken[self.at[vm]] -= self.problem.promised[vm]
            self.at[vm] = host
        self.arriving = {}


def order(problem: Problem, wanted: Ints, *, per_host: int = 2, first: Sequence[int] = ()) -> list[Leg]:
    """The legs that lead from where VMs are to `wanted` ((N,) host of each VM), as far as that is possible.

    `per_host`: how many migrations a host takes part in at once. `first`: VMs to move as early as may be, in this order.
    """
    occupancy = _Occupancy(problem)
    rank = {vm: place for place, vm in enumerate(first)}
    moving = [int(vm) for vm in np.flatnonzero((problem.at >= 0) & (wanted != problem.at))]
    left = sorted(moving, key=lambda vm: (rank.get(vm, len(rank)), vm))
    legs: list[Leg] = []
    wave, detours = 0, 0
    while left:
        started = _wave(occupancy, left, wanted, per_host)
        if not started and detours < len(moving):
            started = _detour(occupancy, left, wanted)
            detours += 1
        if not started:
            break
        legs.extend(Leg(vm, int(occupancy.at[vm]), host, wave) for vm, host in started)
        occupancy.arrive()
        left = [vm for vm in left if occupancy.at[vm] != wanted[vm]]
        wave += 1
    return _without_strays(legs, {*left})


def _wave(occupancy: _Occupancy, left: Sequence[int], wanted: Ints, per_host: int) -> list[tuple[int, int]]:
    busy: dict[int, int] = {}
    started: list[tuple[int, int]] = []
    for vm in left:
        source, target = int(occupancy.at[vm]), int(wanted[vm])
        if busy.get(source, 0) >= per_host or busy.get(target, 0) >= per_host or not occupancy.takes(vm, target):
            continue
        occupancy.begin(vm, target)
        started.append((vm, target))
        busy[source], busy[target] = busy.get(source, 0) + 1, busy.get(target, 0) + 1
    return started


def _detour(occupancy: _Occupancy, left: Sequence[int], wanted: Ints) -> list[tuple[int, int]]:
    """All wait for each other: the cheapest one makes room by going to a third host."""
    problem = occupancy.problem
    for vm in sorted(left, key=lambda vm: (problem.price[vm], vm)):
        for host in range(problem.hosts):
            allowed = problem.allowed is None or bool(problem.allowed[vm, host])
            elsewhere = host not in {int(occupancy.at[vm]), int(wanted[vm])}
            if problem.open[host] and allowed and elsewhere and occupancy.takes(vm, host):
                occupancy.begin(vm, host)
                return [(vm, host)]
    return []


def _without_strays(legs: list[Leg], stranded: set[int]) -> list[Leg]:
    """A VM that made a detour and could not go on from there does not set out, unless others need its room."""
    last = {leg.vm: leg for leg in legs}
    useless = {vm for vm in stranded if vm in last and last[vm].wave == max((leg.wave for leg in legs), default=-1)}
    return [leg for leg in legs if leg.vm not in useless]

"""A balancing problem as arrays: what the search works on, whoever asks (the engine, a replay, a benchmark).

Shapes: H hosts, N VMs, R metrics that are balanced (CPU, memory, disk, network …), P capacities that are promised (CPU and
memory as the scheduler books them). All loads are shares of a host's capacity, 1.0 = full.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Immutable. `at` is where each VM is now, as an index into the hosts; -1: it waits."""

    capacity: Floats
    """(H, R): what a host has of each metric."""
    demand: Floats
    """(N, R): what a VM is expected to use, in the same units."""
    at: Ints
    """(N,)"""
    promised_capacity: Floats
    """(H, P): what may be promised on a host."""
    promised: Floats
    """(N, P): what was promised to a VM."""
    price: Floats
    """(N,): what a move of the VM costs, in units of the objective."""
    counts: Ints
    """(N,): 1 where a move of the VM counts for the budget, 0 where it is forced."""
    movable: Flags
    """(N,): whether the VM may move at all."""
    open: Flags
    """(H,): whether the host takes VMs."""
    variance: Floats | None = None
    """(N, R): variance of the demand, same units squared; None: the demand is certain."""
    allowed: Flags | None = None
    """(N, H): whether the VM may be on the host; None: everywhere."""
    apart: tuple[tuple[int, ...], ...] = ()
    """Sets of VMs no two of which may share a host."""
    members: dict[int, tuple[int, ...]] = field(init=False, compare=False)
    """VM -> the sets of `apart` that it is in."""

    def __post_init__(self) -> None:
        members: dict[int, list[int]] = {}
        for number, group in enumerate(self.apart):
            for vm in group:
                members.setdefault(vm, []).append(number)
        object.__setattr__(self, "members", {vm: tuple(groups) for vm, groups in members.items()})

    @property
    def hosts(self) -> int:
        """H."""
        return len(self.capacity)

    @property
    def vms(self) -> int:
        """N."""
        return len(self.demand)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is minimised: the sum over hosts and metrics of weight x (over² + evenness x (load - mean)²), and the price of all
    moves. `over` is what a host's load exceeds its limit by: the mean plus `tolerance`, at most `ceiling`; or, where there is a
    `floor`, at least that and whatever the ceiling.
    """

    weights: Floats
    """(R,)"""
    tolerance: Floats
    """(R,): how far above the mean a host may be before that counts as trouble; a share of its capacity."""
    evenness: float = 0.003
    """How much spread counts within the tolerance."""
    coverage: float = 0.0
    """Standard deviations of a host's joint demand that are added to its mean: 1.28 covers 90 %."""
    ceiling: float = 0.9
    """From this share on a shortage threatens: none is tolerated above it, unless the mean is."""
    floor: float = 0.0
    """Loads up to this share are never trouble, however uneven they are; 0: there is none."""
    budget: int = 1 << 30
    """How many VMs may move at most."""

"""CloudSim's consolidation benchmark (Beloglazov and Buyya 2012), its physics anew: 800 hosts, a day of PlanetLab's VMs.

A step takes 300 s. A rule sees the samples up to now and says which VMs go where; migrations begin at once and are over long
before the next step. As in CloudSim nothing is decided or counted before the second sample, and a VM that a plan sends on from
its first target moves twice. Two variants: with CloudSim's flaw (a VM is deleted for good at its first sample of 0 %, and
memory is looked at only when VMs are created), and mended (VMs stay, and a host holds no more memory than it has).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .traces import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Variant = Literal["flawed", "mended"]
VARIANTS: tuple[Variant, ...] = ("flawed", "mended")
HOSTS, CORES, STEP = 800, 2, 300.0
MEMORY, COPY = 4096.0, 62.5
"""MB a host, and MB/s of a migration."""
_CORE_MIPS = (1860.0, 2660.0)
_WATTS = (
    (86.0, 89.4, 92.6, 96.0, 99.5, 102.0, 106.0, 108.0, 112.0, 114.0, 117.0),
    (93.7, 97.0, 101.0, 105.0, 110.0, 116.0, 121.0, 125.0, 129.0, 133.0, 135.0),
)
"""At 0, 10 … 100 % of G4 and G5."""
_VM_MIPS = (2500.0, 2000.0, 1000.0, 500.0)
_VM_MB = (870.0, 1740.0, 1740.0, 613.0)
_AT_SOURCE, _AT_TARGET = 0.9, 0.1
"""The share of its demand that a VM under way gets, and that its target carries."""
_BEHIND = 0.1
_SLACK = 1e-6


class Outcome(NamedTuple):
    """Energy of the day, migrations, share of active hosts' time with too little, share of work lost by migrations."""

    kwh: float
    moves: int
    slatah: float
    pdm: float

    @property
    def esv(self) -> float:
        """Energy times both violations."""
        return self.kwh * self.slatah * self.pdm


@dataclass(frozen=True)
class Park:
    """The hosts: (H,) MIPS of a core and of the whole host, memory, and (H, 11) watts."""

    core: Floats = field(default_factory=lambda: np.array([_CORE_MIPS[n % 2] for n in range(HOSTS)]))
    watts: Floats = field(default_factory=lambda: np.array([_WATTS[n % 2] for n in range(HOSTS)]))

    @property
    def capacity(self) -> Floats:
        """(H,) MIPS."""
        return self.core * CORES

    def power(self, load: Floats) -> Floats:
        """(H,) watts at (H,) shares of their capacity."""
        scaled = np.clip(load, 0.0, 1.0) * 10
        low = np.minimum(scaled.astype(np.int64), 9)
        rows = np.arange(len(low))
        found: Floats = self.watts[rows, low] + (self.watts[rows, low + 1] - self.watts[rows, low]) * (scaled - low)
        return found


@dataclass(frozen=True)
class Load:
    """A day's VMs: (N, T) MIPS that they want, (N,) MIPS that they were sold, (N,) MB.

    CloudSim's clock stands .1 s behind the samples, so does `demand`: a VM wants nothing only if the next sample is 0, too.
    """

    demand: Floats
    mips: Floats
    memory: Floats

    @staticmethod
    def of(percent: Floats) -> Load:
        """From percent of a VM's CPU every 300 s; a VM's type goes by its row."""
        count = len(percent)
        change = np.diff(percent, axis=1, append=percent[:, -1:])
        kind = np.arange(count) // -(-count // len(_VM_MIPS))
        mips, memory = np.array(_VM_MIPS)[kind], np.array(_VM_MB)[kind]
        return Load((percent + change * (_BEHIND / STEP)) / 100 * mips[:, None], mips, memory)


@dataclass
class View:
    """What a rule sees: the park, (N, t + 1) samples up to now, where VMs are (-1: gone), and when they last moved."""

    park: Park
    load: Load
    variant: Variant
    step: int
    at: Ints
    moved: Ints
    """(N,): the step of the last move; far in the past if there was none."""

    @property
    def seen(self) -> Floats:
        """(N, t + 1) MIPS."""
        return self.load.demand[:, : self.step + 1]

    @property
    def memory(self) -> Floats:
        """(N,) MB that count when a VM is to move."""
        return self.load.memory if self.variant == "mended" else np.zeros(len(self.at))


class Rule(Protocol):
    """Whoever decides; made anew for every day."""

    def decide(self, view: View) -> Iterable[tuple[int, int]]:
        """(VM, host) of what is to move now."""
        ...


class Day:
    """A simulated day; `run` once."""

    def __init__(self, load: Load, variant: Variant, park: Park | None = None) -> None:
        self.park, self.load, self.variant = park or Park(), load, variant
        self.at = placed(self.park, load)
        self._moved = np.full(len(self.at), -1_000_000, dtype=np.int64)
        self._joule = self._short = self._active = self._lost = self._wanted = 0.0
        self._moves = 0

    def run(self, rule: Rule) -> Outcome:
        """From the second sample through all; the last one lasts a step, too."""
        last = self.load.demand.shape[1] - 1
        for step in range(1, last + 1):
            if self.variant == "flawed":
                self.at[self.load.demand[:, step] <= 0] = -1
            going = self._decided(rule, step)
            self._pass(self.load.demand[:, step], self.load.demand[:, min(step + 1, last)], going)
        pdm = self._lost / max(1.0, self._wanted)
        return Outcome(self._joule / 3.6e6, self._moves, self._short / max(1.0, self._active), pdm)

    def _decided(self, rule: Rule, step: int) -> Ints:
        """(N,): the target of each VM that is under way, otherwise -1. A host that cannot hold one more gets none."""
        view = View(self.park, self.load, self.variant, step, self.at.copy(), self._moved.copy())
        going = np.full(len(self.at), -1, dtype=np.int64)
        held = np.bincount(self.at[self.at >= 0], self.load.memory[self.at >= 0], HOSTS)
        for vm, host in rule.decide(view):
            if self.at[vm] in {-1, host}:
                continue
            held[host] += self.load.memory[vm]
            if self.variant == "mended" and held[host] > MEMORY + _SLACK:
                held[host] -= self.load.memory[vm]
                continue
            going[vm] = host
            self._moved[vm] = step
            self._moves += 1
        return going

    def _pass(self, now: Floats, then: Floats, going: Ints) -> None:
        """One step, in pieces that end when migrations of one size do."""
        takes = np.where(going >= 0, self.load.memory / COPY, 0.0)
        cuts = np.unique(np.concatenate([[0.0, STEP], takes]))
        for begin, end in pairwise(cuts):
            arrived = (going >= 0) & (takes <= begin)
            self.at[arrived] = going[arrived]
            under_way = (going >= 0) & (takes > begin)
            first, second = (now + (then - now) * (moment / STEP) for moment in (begin, end))
            self._count(first, second, end - begin, np.where(under_way, going, -1))

    def _count(self, first: Floats, second: Floats, seconds: float, going: Ints) -> None:
        here, there = self.at >= 0, going >= 0
        capacity = self.park.capacity
        on = np.bincount(self.at[here], minlength=HOSTS) + np.bincount(going[there], minlength=HOSTS) > 0
        wanted, lent = self._sums(first, here, there, going)
        watts = [self.park.power((wanted + lent) / capacity)]
        watts.append(self.park.power(sum(self._sums(second, here, there, going)) / capacity))
        self._joule += seconds * float((watts[0] + watts[1])[on].sum()) / 2
        scale = np.minimum(1.0, capacity / np.maximum(wanted + lent, _SLACK))
        short = (scale < 1 - 1e-9) | (np.bincount(going[there], minlength=HOSTS) > 0)
        self._short += seconds * float((short & on).sum())
        self._active += seconds * float(on.sum())
        self._wanted += seconds * float(first[here].sum())
        got = np.minimum(first, self.park.core[self.at])[there] * _AT_SOURCE * scale[self.at[there]]
        self._lost += seconds * float((first[there] - got).sum())

    def _sums(self, demand: Floats, here: Flags, there: Flags, going: Ints) -> tuple[Floats, Floats]:
        """(H,) MIPS of the VMs that are there, and of those that are on their way there."""
        wanted = np.bincount(self.at[here], np.minimum(demand[here], self.park.core[self.at[here]]), HOSTS)
        lent = np.bincount(going[there], np.minimum(demand[there], self.park.core[going[there]]) * _AT_TARGET, HOSTS)
        return np.asarray(wanted, dtype=np.float64), np.asarray(lent, dtype=np.float64)


def placed(park: Park, load: Load) -> Ints:
    """Where VMs begin: in their order, with all MIPS that they were sold, where the power grows least."""
    at = np.zeros(len(load.mips), dtype=np.int64)
    held, used = np.zeros(HOSTS), np.zeros(HOSTS)
    for vm, mips in enumerate(load.mips):
        fits = (park.core >= mips) & (used + mips <= park.capacity) & (held + load.memory[vm] <= MEMORY)
        grows = park.power((used + mips) / park.capacity) - park.power(used / park.capacity)
        at[vm] = int(np.argmin(np.where(fits, grows, np.inf)))
        held[at[vm]] += load.memory[vm]
        used[at[vm]] += mips
    return at

"""Who decides in a small cluster: nobody, Ganeti's hbal every hour, a rule as Proxmox has one, and the product's planner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.values import DrsHost, DrsSnapshot, DrsVm, Figures
from nebula.engine.forecast.hour import HourAhead

from . import hbal
from .small_cluster import LINK, METRICS, STEP, Cluster, Seen
from .traces import Floats

_HOUR = 12
_Q, _Z = 0.9, 1.2815515655446004
"""The forecast peak's quantile, and how many standard deviations above the mean that is."""
Ask = Callable[[hbal.Question], hbal.Answer | None]


class Nobody:
    """Nothing moves."""

    def decide(self, seen: Seen) -> list[tuple[int, int]]:
        """See Mover."""
        del seen
        return []


class Hourly:
    """hbal at every full hour, for what VMs used in the hour before; all that it wants moves at once."""

    def __init__(self, scratch: Path, ask: Ask | None = None) -> None:
        self._ask = ask or (lambda question: hbal.balance(question, scratch))

    def decide(self, seen: Seen) -> list[tuple[int, int]]:
        """See Mover."""
        if seen.step % _HOUR or seen.moving.any():
            return []
        cluster = seen.cluster
        use = seen.recent(_HOUR).mean(axis=1) / cluster.capacity
        question = hbal.Question(cluster.hosts, seen.at, cluster.promised, cluster.room, use)
        answer = self._ask(question)
        if answer is None:
            return []
        return [(int(vm), int(answer.at[vm])) for vm in np.flatnonzero(answer.at != seen.at)]


class Coefficient:
    """When hosts' loads (CPU and memory of the last minutes, root of the mean square) have had a standard deviation above
    `threshold` of their mean for `rounds` samples: the one move that lowers it most, if that is by `margin` of it at least.
    """

    def __init__(self, threshold: float = 0.3, rounds: int = 3, margin: float = 0.1) -> None:
        self._threshold, self._rounds, self._margin = threshold, rounds, margin
        self._streak = 0

    def decide(self, seen: Seen) -> list[tuple[int, int]]:
        """See Mover."""
        cluster, demand = seen.cluster, seen.recent(self._rounds).mean(axis=1)
        load = seen.load(demand)[:, :2]
        now = _variation(load)
        self._streak = self._streak + 1 if now > self._threshold else 0
        if self._streak < self._rounds or seen.moving.any():
            return []
        self._streak = 0
        held = np.bincount(seen.at, cluster.promised, cluster.hosts)
        best, found = now * (1 - self._margin), []
        for vm, share in enumerate(demand[:, :2] / cluster.capacity[:2]):
            for host in np.flatnonzero(held + cluster.promised[vm] <= cluster.room):
                after = load.copy()
                after[seen.at[vm]] -= share
                after[host] += share
                if host != seen.at[vm] and _variation(after) < best:
                    best, found = _variation(after), [(vm, int(host))]
        return found


def _variation(load: Floats) -> float:
    """The coefficient of variation of (H, 2) loads."""
    level = np.sqrt((load * load).mean(axis=1))
    return float(level.std() / max(1e-9, float(level.mean())))


class Outlook:
    """What the product expects at each step of a cluster: the coming hour's mean and its standard deviation, (N, 4) each.
    Worked out as far as somebody asks.
    """

    def __init__(self, cluster: Cluster, seed: int = 0) -> None:
        self._cluster = cluster
        self._hours = [HourAhead(seed=seed) for _ in METRICS]
        for hour in self._hours:
            hour.grow(len(cluster.demand))
        self._known: list[tuple[Floats, Floats]] = []

    def at(self, step: int) -> tuple[Floats, Floats]:
        """Mean and standard deviation."""
        while len(self._known) <= step:
            self._known.append(self._next(self._cluster.demand[:, len(self._known)]))
        return self._known[step]

    def _next(self, now: Floats) -> tuple[Floats, Floats]:
        mean, spread = np.zeros(now.shape), np.zeros(now.shape)
        for metric, hour in enumerate(self._hours):
            hour.observe(now[:, metric])
            expected, peak = hour.expect("mean"), hour.expect("peak")
            surprise = now[:, metric] > np.maximum(peak, expected)
            mean[:, metric] = np.where(surprise, now[:, metric], expected)
            spread[:, metric] = np.maximum(0.0, peak - expected) / _Z
        return mean, spread


class Planner:
    """The product: `rebalance` at every step, with its patience, cool-down and no return, in mode full."""

    def __init__(self, policy: DrsPolicy, outlook: Outlook) -> None:
        self._policy, self._outlook = policy, outlook
        self._streak = 0

    def decide(self, seen: Seen) -> list[tuple[int, int]]:
        """See Mover."""
        if seen.moving.any():
            return []
        plan = rebalance(self._snapshot(seen), self._policy)
        self._streak = self._streak + 1 if plan.moves else 0
        if self._streak < self._policy.patience:
            return []
        self._streak = 0
        return [(move.vm_id - 1, move.target_id - 1) for move in plan.moves]

    def _snapshot(self, seen: Seen) -> DrsSnapshot:
        cluster, at = seen.cluster, seen.step * STEP
        capacity = Figures(*(float(part) for part in cluster.capacity))
        hosts = tuple(
            DrsHost(id=n + 1, name=f"h{n}", capacity=capacity, cpu_max=1 << 30, memory_max=int(cluster.room))
            for n in range(cluster.hosts)
        )
        means, spreads = self._outlook.at(seen.step)
        vms = tuple(self._vm(seen, vm, means[vm], spreads[vm]) for vm in range(len(seen.at)))
        return DrsSnapshot(cluster_id=1, cluster="bench", at=at, hosts=hosts, vms=vms, link_mib=LINK)

    def _vm(self, seen: Seen, vm: int, mean: Floats, spread: Floats) -> DrsVm:
        fresh = (seen.step - seen.came[vm]) * STEP < self._policy.cooldown
        back = self._policy.no_return / STEP
        return DrsVm(
            id=vm + 1,
            name=f"v{vm}",
            host_id=int(seen.at[vm]) + 1,
            cpu=0,
            memory=int(seen.cluster.promised[vm]),
            mean=Figures(*(float(part) for part in mean)),
            spread=Figures(*(float(part) for part in spread)),
            copy_mib=max(1.0, float(mean[1])),
            fixed="it came a short time ago" if fresh else "",
            history=tuple(seen.recent(_HOUR)[vm, :, 0].tolist()),
            left=tuple(host + 1 for (other, host), step in seen.left.items() if other == vm and seen.step - step < back),
        )

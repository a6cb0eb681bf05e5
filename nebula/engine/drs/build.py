"""From a snapshot and a policy to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from nebula.engine.drs.copying import effort
from nebula.engine.drs.policy import METRICS, DrsPolicy
from nebula.engine.drs.problem import Flags, Floats, Goal, Ints, Problem
from nebula.engine.drs.values import DrsHost, DrsSnapshot, DrsVm, Figures

_EVEN = {"striping": 0.003, "load-aware": 0.0001, "packing": 0.0}
"""How much mere unevenness counts: striping spreads, load-aware only prefers the cooler one of two hosts, packing makes it."""

_PRICE = {"striping": 1.0, "load-aware": 26.0, "packing": 1.0}
"""Times the settings' price of a move: where nothing moves but to avert a shortage, a small excess is no reason to copy a large
VM.
"""


class Indices(NamedTuple):
    """What the numbers of the arrays mean."""

    hosts: tuple[DrsHost, ...]
    vms: tuple[DrsVm, ...]
    metrics: tuple[str, ...]
    """Those that are balanced: with a weight, and with a capacity on every host."""
    forced: tuple[int, ...]
    """VMs whose host must be left."""
    link_mib: float
    """MiB/s of a migration."""


def build(snapshot: DrsSnapshot, policy: DrsPolicy) -> tuple[Problem, Goal, Indices]:
    """By id, so that the order in the snapshot does not matter."""
    hosts = tuple(sorted(_known(snapshot), key=lambda host: host.id))
    place = {host.id: index for index, host in enumerate(hosts)}
    vms = tuple(sorted((vm for vm in snapshot.vms if vm.host_id in place), key=lambda vm: vm.id))
    metrics = _metrics(hosts, policy)
    at = np.array([place[vm.host_id] for vm in vms], dtype=np.int64)
    forced = tuple(index for index, vm in enumerate(vms) if hosts[at[index]].leave and not vm.bound)
    number = {vm.id: index for index, vm in enumerate(vms)}
    apart = [tuple(sorted(number[vm] for vm in group if vm in number)) for group in snapshot.apart]
    problem = Problem(
        capacity=_figures([host.capacity for host in hosts], metrics),
        demand=_figures([vm.mean for vm in vms], metrics),
        variance=_figures([vm.spread for vm in vms], metrics) ** 2,
        at=at,
        promised_capacity=np.array([[host.cpu_max, host.memory_max] for host in hosts], dtype=np.float64).reshape(-1, 2),
        promised=np.array([[vm.cpu, vm.memory] for vm in vms], dtype=np.float64).reshape(-1, 2),
        price=_prices(hosts, vms, forced, snapshot.link_mib, policy),
        counts=_counts(len(vms), forced),
        movable=_movable(snapshot, vms, forced),
        open=np.array([host.takes and not host.leave for host in hosts], dtype=np.bool_),
        allowed=_allowed(vms, place, at, forced),
        apart=tuple(group for group in apart if len(group) > 1),
    )
    return problem, _goal(policy, metrics, len(vms)), Indices(hosts, vms, metrics, forced, snapshot.link_mib)


def _known(snapshot: DrsSnapshot) -> list[DrsHost]:
    """Without hosts that were never reached: nobody knows what they have, and a metric counts only where all hosts have it."""
    used = {vm.host_id for vm in snapshot.vms}
    return [host for host in snapshot.hosts if host.id in used or max(host.capacity) > 0]


def _metrics(hosts: tuple[DrsHost, ...], policy: DrsPolicy) -> tuple[str, ...]:
    known = [metric for metric in METRICS if hosts and all(getattr(host.capacity, metric) > 0 for host in hosts)]
    chosen = tuple(metric for metric in known if getattr(policy.weights, metric) > 0)
    return chosen or tuple(known[:1])


def _figures(rows: Sequence[Figures], metrics: tuple[str, ...]) -> Floats:
    values = [[float(getattr(row, metric)) for metric in metrics] for row in rows]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(metrics))


def _prices(
    hosts: tuple[DrsHost, ...], vms: tuple[DrsVm, ...], forced: tuple[int, ...], link_mib: float, policy: DrsPolicy
) -> Floats:
    """By what is to be copied, as a share of a host's memory; more for those that have work to do, which goes on more slowly
    meanwhile.
    """
    memory = max(1.0, sum(host.memory_max for host in hosts) / max(1, len(hosts)))
    cpu = max(1.0, sum(host.capacity.cpu for host in hosts) / max(1, len(hosts)))
    work = [1.0 + min(1.0, vm.mean.cpu / cpu) for vm in vms]
    price = np.array(
        [
            _PRICE[policy.policy] * policy.move_price * effort(vm, link_mib) / memory * more
            for vm, more in zip(vms, work, strict=True)
        ],
        dtype=np.float64,
    )
    price[list(forced)] = 0.0
    return price


def _counts(vms: int, forced: tuple[int, ...]) -> Ints:
    counts = np.ones(vms, dtype=np.int64)
    counts[list(forced)] = 0
    return counts


def _movable(snapshot: DrsSnapshot, vms: tuple[DrsVm, ...], forced: tuple[int, ...]) -> Flags:
    """VMs that must share a host stay: one migration would part them."""
    tied = {vm for group in snapshot.together if len(group) > 1 for vm in group}
    movable = np.array([not vm.fixed and not vm.bound and vm.id not in tied for vm in vms], dtype=np.bool_)
    movable[list(forced)] = True
    return movable


def _allowed(vms: tuple[DrsVm, ...], place: dict[int, int], at: Ints, forced: tuple[int, ...]) -> Flags:
    allowed = np.ones((len(vms), len(place)), dtype=np.bool_)
    must = {*forced}
    for index, vm in enumerate(vms):
        if vm.allowed is not None:
            allowed[index] = False
            allowed[index, [place[host] for host in vm.allowed if host in place]] = True
        if index not in must:
            allowed[index, [place[host] for host in vm.left if host in place]] = False
        allowed[index, at[index]] = True
    return allowed


def _goal(policy: DrsPolicy, metrics: tuple[str, ...], vms: int) -> Goal:
    even = _EVEN[policy.policy]
    return Goal(
        weights=np.array([getattr(policy.weights, metric) for metric in metrics], dtype=np.float64),
        tolerance=np.array([getattr(policy.tolerance, metric) for metric in metrics], dtype=np.float64),
        evenness=even,
        coverage=NormalDist().inv_cdf(policy.coverage) if policy.predictive else 0.0,
        ceiling=policy.ceiling,
        floor=0.0 if policy.policy == "striping" else policy.ceiling,
        budget=int(policy.budget_share * vms + 0.5),
    )

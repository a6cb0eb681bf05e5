"""Packing: hosts are emptied, whole or not at all, so that they could sleep; by what VMs used together, what is expected of
them, and hosts' power.
"""

from __future__ import annotations

import msgspec
import numpy as np

from nebula.engine.drs.build import Indices
from nebula.engine.drs.consolidate import Packing, consolidate
from nebula.engine.drs.copying import effort
from nebula.engine.drs.joint import Fleet
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.problem import Floats
from nebula.engine.drs.state import State
from nebula.engine.drs.values import DrsHost, DrsVm

_POINTS = np.linspace(0.0, 1.0, 11)
"""Shares of a host's CPU at which its power is known."""
_LEAST_POINTS = 2
"""Of a host's power that somebody told: idle and full."""
_IDLE, _IDLE_CORE, _FULL, _FULL_CORE = 60.0, 1.0, 90.0, 4.0
"""Watts of a usual server, and what each core adds: where nobody told."""
_CORE = 100.0
_EXPECTED = 0.5
"""Of the deviations that a plan must cover, for what is expected: forecasts do not know whose peaks meet, histories do."""


def pack(state: State, indices: Indices, policy: DrsPolicy) -> None:
    """Relieve what runs short of CPU, then empty what can be emptied within the ceiling and the budget. Who lets a
    larger share of the VMs move than usual lets the same share of the hosts be emptied.
    """
    usual = Packing()
    share = policy.budget_share if policy.budget_share > DrsPolicy().budget_share else usual.share
    packing = msgspec.structs.replace(usual, fill=policy.ceiling, share=share)
    for vm, host in consolidate(fleet(state, indices), packing, budget=max(0, state.goal.budget - state.moved)):
        state.shift(vm, host)


def short(state: State, indices: Indices) -> bool:
    """Whether a host is above its limit in anything but CPU, which packing looks after itself."""
    over = state.effective(state.load, state.spread) > state.limit
    return bool(over[:, [metric != "cpu" for metric in indices.metrics]].any())


def fleet(state: State, indices: Indices) -> Fleet:
    """Only VMs that have not moved in this plan may: their moves count once. CPU that has no weight does not count."""
    problem, counts = state.problem, "cpu" in indices.metrics
    cpu = np.array([host.capacity.cpu if counts else 1.0 for host in indices.hosts], dtype=np.float64)
    return Fleet(
        capacity=cpu,
        single=cpu,
        watts=np.array([watts(host) for host in indices.hosts]),
        history=_histories(indices.vms, state.goal.coverage) if counts else np.zeros((problem.vms, 1)),
        at=state.at.copy(),
        promised_capacity=problem.promised_capacity,
        promised=problem.promised,
        price=np.array([effort(vm, indices.link_mib) for vm in indices.vms], dtype=np.float64),
        movable=problem.movable & (state.at == problem.at),
        open=problem.open,
        allowed=problem.allowed,
        apart=problem.apart,
        expected_capacity=problem.capacity,
        expected=problem.demand,
        variance=None if state.spread is None else problem.variance,
        coverage=_EXPECTED * state.goal.coverage,
    )


def watts(host: DrsHost) -> Floats:
    """(11,): from idle to full."""
    if len(host.watts) >= _LEAST_POINTS:
        return np.asarray(np.interp(_POINTS, np.linspace(0.0, 1.0, len(host.watts)), host.watts))
    cores = host.capacity.cpu / _CORE
    idle, full = _IDLE + _IDLE_CORE * cores, _FULL + _FULL_CORE * cores
    return np.asarray(idle + (full - idle) * _POINTS)


def _histories(vms: tuple[DrsVm, ...], coverage: float) -> Floats:
    """(N, W). What is not known of a VM counts as what is expected of it at most: no joint history says otherwise."""
    width = max(1, max((len(vm.history) for vm in vms), default=1))
    return np.array([(*[vm.mean.cpu + coverage * vm.spread.cpu] * (width - len(vm.history)), *vm.history) for vm in vms])

"""VMs that need a host now: waiting ones, and those whose host must be left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nebula.engine.drs.state import State

_ALIKE = 1e-12
"""Of the objective: rounding."""


def settle(state: State, vms: Sequence[int]) -> list[int]:
    """Give each VM the host that costs least, largest first; returns those that no host can take."""
    promised = state.problem.promised / np.maximum(state.problem.promised_capacity.max(axis=0), 1.0)
    size = promised.max(axis=1)
    left: list[int] = []
    for vm in sorted(vms, key=lambda vm: (-float(size[vm]), vm)):
        host = cheapest(state, vm)
        if host < 0:
            left.append(vm)
        else:
            state.shift(vm, host)
    return left


def cheapest(state: State, vm: int) -> int:
    """The host on which the VM raises the objective least, the fullest of those that are alike; -1: none can take it."""
    one = np.array([vm], dtype=np.int64)
    fine = (state.may(one) & state.fits(one))[0]
    fine &= state.problem.open
    if state.at[vm] >= 0:
        fine[state.at[vm]] = False
    if not fine.any():
        return -1
    load, spread = state.scaled_all(one)
    spreads = None if spread is None or state.spread is None else state.spread + spread[0]
    change = np.where(fine, state.costs(state.load + load[0], spreads) - state.cost, np.inf)
    alike = change <= change.min() + _ALIKE
    return int(np.argmax(np.where(alike, state.effective(state.load, state.spread).max(axis=1), -1.0)))

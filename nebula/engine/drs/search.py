"""Hottest first: the host that costs most gets its best change until no host has one; then seeded restarts."""

from __future__ import annotations

import numpy as np

from nebula.engine.drs.neighbours import NONE, Change, best_move, best_swap
from nebula.engine.drs.problem import Ints
from nebula.engine.drs.state import State

SMALLEST_GAIN = 1e-9
"""Of the objective; less is rounding."""
PARTNERS = 12
"""Hosts whose VMs are tried for an exchange with the one that is looked at."""
_ENOUGH = 0.3
"""A move that takes this share of a host's cost away is taken without a look at exchanges, which cost more to try."""


_CHANGES = 20
"""Changes a VM and host: far more than ever happen; with absurd figures rounding alone would go on for ever."""


def descend(state: State) -> int:
    """Change the state until nothing gains; returns the number of changes. Ties go to the lower number, so the outcome depends
    on the problem alone.
    """
    stuck = np.zeros(state.problem.hosts, dtype=np.bool_)
    changes, most = 0, _CHANGES * (state.problem.vms + state.problem.hosts)
    while changes < most and not stuck.all():
        host = int(np.argmax(np.where(stuck, -1.0, state.cost)))
        change = _best(state, host)
        if change.gain <= SMALLEST_GAIN:
            stuck[host] = True
            continue
        for vm, target in change.shifts:
            stuck[state.at[vm]] = stuck[target] = False
            state.shift(vm, target)
        changes += 1
    return changes


def _best(state: State, host: int) -> Change:
    move = best_move(state, host)
    if move.gain > _ENOUGH * state.cost[host]:
        return move
    swap = best_swap(state, host, PARTNERS) if state.goal.budget - state.moved > 1 or state.moved else NONE
    return swap if swap.gain > move.gain else move


def improve(state: State, rounds: int, seed: int, hopeful: float = 0.0) -> None:
    """Descend, then `rounds` times send a few moved VMs home, push one somewhere, and descend again; the best is kept. Where
    the first descent lowers the costs by less than the `hopeful` share, the rest would not be worth its time. In a small
    cluster most rounds begin where another one did, and would end where that one ended.
    """
    first = float(state.cost.sum())
    descend(state)
    if first - float(state.cost.sum()) < hopeful * first:
        return
    random = np.random.default_rng(seed)
    best, kept = state.objective(), state.at.copy()
    begun = {kept.tobytes()}
    for _ in range(rounds):
        moved = np.flatnonzero((state.at != state.problem.at) & (state.problem.at >= 0))
        if not len(moved):
            break
        _shake(state, moved, random)
        beginning = state.at.tobytes()
        if beginning in begun:
            state.restore(kept)
            continue
        begun.add(beginning)
        descend(state)
        found = state.objective()
        if found < best - SMALLEST_GAIN:
            best, kept = found, state.at.copy()
        else:
            state.restore(kept)


def _shake(state: State, moved: Ints, random: np.random.Generator) -> None:
    for vm in random.choice(moved, min(len(moved), 3), replace=False):
        _try(state, int(vm), int(state.problem.at[vm]))
    _try(state, int(random.integers(state.problem.vms)), int(random.integers(state.problem.hosts)))


def _try(state: State, vm: int, host: int) -> None:
    """Where capacity, rules and budget allow it."""
    if not state.problem.movable[vm] or state.at[vm] == host or state.at[vm] < 0:
        return
    one = np.array([vm], dtype=np.int64)
    leaves = int(host != state.problem.at[vm] and state.at[vm] == state.problem.at[vm]) * int(state.problem.counts[vm])
    if state.fits(one)[0, host] and state.may(one)[0, host] and state.moved + leaves <= state.goal.budget:
        state.shift(vm, host)

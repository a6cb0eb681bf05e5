"""The best single change for one host: a VM that leaves it, or two VMs that change places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nebula.engine.drs.problem import Flags, Floats, Ints
from nebula.engine.drs.state import State

_NEVER = np.inf


class Change(NamedTuple):
    """`gain` (of the objective, positive is better) of moving each VM of `shifts` to its host."""

    gain: float
    shifts: tuple[tuple[int, int], ...]


NONE = Change(0.0, ())


def best_move(state: State, host: int) -> Change:
    """The VM of `host` whose move anywhere gains most."""
    vms = _movable(state, host)
    if not len(vms):
        return NONE
    load, spread = state.scaled_all(vms)
    left = _without(state, host, vms)
    joined = state.costs(
        state.load[None] + load, None if spread is None or state.spread is None else state.spread[None] + spread
    )
    change = joined - state.cost[None] + (left - state.cost[host])[:, None]
    price, away = state.prices(vms)
    home = state.problem.at[vms]
    leaves_home = (home[:, None] >= 0) & (np.arange(state.problem.hosts)[None] != home[:, None])
    change += price[:, None] * (leaves_home.astype(np.float64) - away[:, None])
    change[~(state.may(vms) & state.fits(vms))] = _NEVER
    more = (leaves_home.astype(np.int64) - away[:, None]) * state.problem.counts[vms][:, None]
    change[state.moved + more > state.goal.budget] = _NEVER
    change[:, host] = _NEVER
    best = int(np.argmin(change))
    row, target = divmod(best, state.problem.hosts)
    gain = -float(change[row, target])
    return Change(gain, ((int(vms[row]), target),)) if np.isfinite(gain) else NONE


def best_swap(state: State, host: int, partners: int) -> Change:
    """The two VMs, one of `host` and one of the `partners` least loaded other hosts, that gain most by changing places."""
    mine = _movable(state, host)
    theirs = _others(state, host, partners)
    if not len(mine) or not len(theirs):
        return NONE
    hosts = state.at[theirs]
    change = _swapped(state, host, mine, theirs, hosts) - state.cost[host] - state.cost[hosts][None]
    price, count = _swap_price(state, host, mine, theirs, hosts)
    change += price
    change[state.moved + count > state.goal.budget] = _NEVER
    change[~_swap_allowed(state, host, mine, theirs, hosts)] = _NEVER
    best = int(np.argmin(change))
    row, column = divmod(best, len(theirs))
    gain = -float(change[row, column])
    if not np.isfinite(gain):
        return NONE
    return Change(gain, ((int(mine[row]), int(hosts[column])), (int(theirs[column]), host)))


def _movable(state: State, host: int) -> Ints:
    vms = np.array(state.on[host], dtype=np.int64)
    return vms[state.problem.movable[vms]]


def _others(state: State, host: int, partners: int) -> Ints:
    """Movable VMs of the hosts that are least loaded."""
    order = np.argsort((state.load - state.mean) @ state.goal.weights, kind="stable")
    chosen = [int(other) for other in order if other != host and state.problem.open[other]][:partners]
    vms = np.array([vm for other in chosen for vm in state.on[other]], dtype=np.int64)
    return vms[state.problem.movable[vms]]


def _without(state: State, host: int, vms: Ints) -> Floats:
    """(V,): the host's cost if one of them left."""
    load, spread = state.scaled(vms, host)
    rest = None if spread is None or state.spread is None else state.spread[host] - spread
    return state.costs(state.load[host] - load, rest)


def _swapped(state: State, host: int, mine: Ints, theirs: Ints, hosts: Ints) -> Floats:
    """(M, T): the cost of both hosts after each exchange."""
    out_mine, var_out_mine = state.scaled(mine, host)
    in_theirs, var_in_theirs = state.scaled(theirs, host)
    out_theirs, var_out_theirs = state.scaled(theirs, hosts)
    in_mine = state.problem.demand[mine][:, None] / state.problem.capacity[hosts][None]
    here = state.load[host] - out_mine[:, None] + in_theirs[None]
    there = (state.load[hosts] - out_theirs)[None] + in_mine
    spread_here = spread_there = None
    variance = state.problem.variance
    if state.spread is not None and variance is not None and var_out_mine is not None:
        assert var_in_theirs is not None and var_out_theirs is not None  # noqa: PT018, S101 - all or none
        spread_here = state.spread[host] - var_out_mine[:, None] + var_in_theirs[None]
        in_variance = variance[mine][:, None] / (state.problem.capacity[hosts] ** 2)[None]
        spread_there = (state.spread[hosts] - var_out_theirs)[None] + in_variance
    both: Floats = state.costs(here, spread_here) + state.costs(there, spread_there)
    return both


def _swap_price(state: State, host: int, mine: Ints, theirs: Ints, hosts: Ints) -> tuple[Floats, Ints]:
    """(M, T): the price of each exchange beyond what is paid already, and how many more VMs are away from home."""
    price_mine, away_mine = state.prices(mine)
    price_theirs, away_theirs = state.prices(theirs)
    leaves = state.problem.at[mine][:, None] != hosts[None]
    comes = state.problem.at[theirs] != host
    price = price_mine[:, None] * (leaves.astype(np.float64) - away_mine[:, None])
    price = price + (price_theirs * (comes.astype(np.float64) - away_theirs))[None]
    counts = state.problem.counts
    count: Ints = (leaves.astype(np.int64) - away_mine[:, None]) * counts[mine][:, None]
    count = count + ((comes.astype(np.int64) - away_theirs) * counts[theirs])[None]
    return price, count


def _swap_allowed(
    state: State, host: int, mine: Ints, theirs: Ints, hosts: Ints
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(M, T): capacity and rules hold after the exchange."""
    problem = state.problem
    promised_mine, promised_theirs = problem.promised[mine], problem.promised[theirs]
    left = problem.promised_capacity - state.taken + 1e-9
    here = promised_theirs[None] - promised_mine[:, None] <= left[host]
    there = promised_mine[:, None] - promised_theirs[None] <= left[hosts][None]
    rules = state.may(mine)[:, hosts] & state.may(theirs)[:, host][None]
    fine: Flags = here.all(axis=2) & there.all(axis=2) & rules
    return fine

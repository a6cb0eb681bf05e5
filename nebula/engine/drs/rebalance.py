"""rebalance(snapshot, policy) -> DrsPlan: the pure function behind the timer, `drs plan`, `drs replay` and evacuations."""

from __future__ import annotations

import msgspec

from nebula.engine.drs.arrange import settle
from nebula.engine.drs.build import Indices, build
from nebula.engine.drs.order import Leg, order
from nebula.engine.drs.pack import pack, short
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.problem import Goal, Ints
from nebula.engine.drs.safety import safe
from nebula.engine.drs.search import improve
from nebula.engine.drs.state import State
from nebula.engine.drs.values import DrsPlan, DrsSnapshot
from nebula.engine.drs.words import describe, nothing

_DEARER, _FREE = 12, 1e-5
"""How often the price of moves is doubled to keep a plan within its budget, and from where if they cost nothing."""
_NOTHING = 1e-6
"""A gain that nobody would notice: a tenth of a percent of one host over its limit, squared."""
_RESTART_VMS, _ROUNDS = 40_000, 40
"""Restarts are worth their time on small clusters: their number is this by hosts x VMs."""


def rebalance(snapshot: DrsSnapshot, policy: DrsPolicy, *, seed: int = 0, only_forced: bool = False) -> DrsPlan:
    """The plan; the order of hosts and VMs in the snapshot does not matter. `only_forced`: empty hosts that must be left, and
    nothing else. Where a plan would copy more than the budget, moves are made dearer until it does not.
    """
    if not snapshot.hosts or not snapshot.vms:
        return nothing(snapshot)
    for _ in range(_DEARER):
        plan = _plan(snapshot, policy, seed, only_forced=only_forced)
        if only_forced or not policy.budget_gib or _gib(plan) <= policy.budget_gib:
            return plan
        policy = msgspec.structs.replace(policy, move_price=2 * max(policy.move_price, _FREE))
    return _plan(snapshot, policy, seed, only_forced=True)


def _gib(plan: DrsPlan) -> float:
    return sum(move.copy_mib for move in plan.moves) / 1024


def _plan(snapshot: DrsSnapshot, policy: DrsPolicy, seed: int, *, only_forced: bool) -> DrsPlan:
    problem, goal, indices = build(snapshot, policy)
    if not indices.metrics or not indices.vms:
        return nothing(snapshot)
    state = State(problem, goal)
    start = State(problem, goal)
    stranded = settle(state, indices.forced)
    packing = policy.policy == "packing"
    wrong = bool((start.effective(start.load, start.spread) > start.limit).any())
    if not only_forced and (packing or wrong):
        _optimise(state, policy, indices, seed)
    kept = state.at if packing or only_forced else _worth_it(start, state, policy, indices)
    legs = order(problem, kept, per_host=policy.per_host, first=indices.forced)
    legs, unsafe = _limited(legs, indices, goal), ""
    if snapshot.reserve:
        legs, unsafe = safe(problem, indices, legs)
    return describe(snapshot, problem, goal, indices, legs, stranded, unsafe)


def _optimise(state: State, policy: DrsPolicy, indices: Indices, seed: int) -> None:
    packing = policy.policy == "packing"
    if not packing or short(state, indices):
        rounds = min(_ROUNDS, _RESTART_VMS // max(1, state.problem.hosts * state.problem.vms))
        improve(state, rounds, seed, hopeful=policy.least_gain / 2)
    if packing:
        pack(state, indices, policy)


def _worth_it(start: State, state: State, policy: DrsPolicy, indices: Indices) -> Ints:
    """The wanted assignment; only the forced moves where the others gain too little."""
    before, after = float(start.cost.sum()), float(state.cost.sum())
    if before - after >= max(policy.least_gain * before, _NOTHING):
        return state.at
    forced = State(state.problem, state.goal)
    settle(forced, indices.forced)
    return forced.at


def _limited(legs: list[Leg], indices: Indices, goal: Goal) -> list[Leg]:
    """No more VMs than the budget admits; forced ones do not count."""
    forced = {*indices.forced}
    chosen: list[Leg] = []
    counted: set[int] = set()
    for leg in legs:
        if leg.vm not in forced and leg.vm not in counted and len(counted) >= goal.budget:
            break
        if leg.vm not in forced:
            counted.add(leg.vm)
        chosen.append(leg)
    return chosen

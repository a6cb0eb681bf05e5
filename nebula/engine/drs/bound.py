"""How far a plan is from a proven optimum: the same problem as an integer program, for who asks; needs `highspy`.

The program minimises what OneDRS and others do: the weighted sum, over metrics, of the hottest host's load. A plan that also
spreads and saves copies is not made for that figure alone, so its distance is an upper limit of what could be better.
"""

from __future__ import annotations

import importlib
from typing import Any

import msgspec
import numpy as np

from nebula.engine.drs.build import build
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.problem import Floats, Goal, Problem
from nebula.engine.drs.values import DrsPlan, DrsSnapshot
from nebula.errors import MissingLibraryError

SECONDS = 60.0
"""How long the solver may take; the bound that it has then is proven, too."""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """`before`, `plan` and `bound`: weighted sum of the hottest loads as it is, with the plan, and the least that is possible
    within the same budget; `proven`: whether a plan that reaches the bound is known.
    """

    before: float
    plan: float
    bound: float
    proven: bool


def distance(snapshot: DrsSnapshot, policy: DrsPolicy, plan: DrsPlan) -> Distance:
    """Solve it; MissingLibraryError without the solver."""
    problem, goal, indices = build(snapshot, policy)
    number = {vm.id: index for index, vm in enumerate(indices.vms)}
    place = {host.id: index for index, host in enumerate(indices.hosts)}
    after = problem.at.copy()
    for move in plan.moves:
        after[number[move.vm_id]] = place[move.target_id]
    bound, proven = _solve(problem, goal)
    return Distance(before=hottest(problem, goal, problem.at), plan=hottest(problem, goal, after), bound=bound, proven=proven)


def hottest(problem: Problem, goal: Goal, at: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """The weighted sum of the hottest loads of an assignment."""
    load: Floats = np.zeros(problem.capacity.shape)
    np.add.at(load, at, problem.demand)
    return float((load / problem.capacity).max(axis=0) @ goal.weights)


def _solve(problem: Problem, goal: Goal) -> tuple[float, bool]:
    """Variables: x[vm, host] of what may be, then the hottest load of each metric."""
    solver = _solver()
    pairs = _pairs(problem)
    tops = len(goal.weights)
    inf = solver.kHighsInf
    model = solver.Highs.__base__()  # its own class turns callbacks on, which greets on stdout before it can be told not to
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", SECONDS)
    for vm, host in pairs:
        fixed = not problem.movable[vm] and problem.at[vm] == host
        model.addVar(1.0 if fixed else 0.0, 1.0)
    for weight in goal.weights:
        model.addVar(0.0, inf)
        model.changeColCost(model.getNumCol() - 1, float(weight))
    whole = np.arange(len(pairs), dtype=np.int32)
    model.changeColsIntegrality(len(whole), whole, np.full(len(whole), solver.HighsVarType.kInteger))
    _add_rows(model, problem, goal, pairs, tops, inf)
    model.run()
    info = model.getInfo()
    return float(info.mip_dual_bound), bool(model.getModelStatus() == solver.HighsModelStatus.kOptimal)


def _add_rows(model: Any, problem: Problem, goal: Goal, pairs: list[tuple[int, int]], tops: int, inf: float) -> None:
    """What holds of every plan; a host that is over its capacity now, or has VMs that should keep apart, may stay so."""
    columns: dict[int, list[int]] = {}
    on: dict[int, list[int]] = {}
    for column, (vm, host) in enumerate(pairs):
        columns.setdefault(vm, []).append(column)
        on.setdefault(host, []).append(column)

    def row(low: float, high: float, names: list[int], values: list[float]) -> None:
        model.addRow(low, high, len(names), np.array(names, dtype=np.int32), np.array(values, dtype=np.float64))

    for names in columns.values():
        row(1.0, 1.0, names, [1.0] * len(names))
    for host, names in on.items():
        vms = [pairs[column][0] for column in names]
        for metric in range(tops):
            shares = [float(problem.demand[vm, metric] / problem.capacity[host, metric]) for vm in vms]
            row(-inf, 0.0, [*names, len(pairs) + metric], [*shares, -1.0])
        there = problem.at == host
        for kind in range(problem.promised.shape[1]):
            most = max(problem.promised_capacity[host, kind], problem.promised[there, kind].sum())
            row(-inf, float(most), names, [float(problem.promised[vm, kind]) for vm in vms])
        for group in problem.apart:
            inside = [column for column in names if pairs[column][0] in group]
            if len(inside) > 1:
                row(-inf, float(max(1, there[list(group)].sum())), inside, [1.0] * len(inside))
    moved = [column for column, (vm, host) in enumerate(pairs) if problem.at[vm] != host and problem.counts[vm]]
    row(-inf, float(goal.budget), moved, [1.0] * len(moved))


def _pairs(problem: Problem) -> list[tuple[int, int]]:
    """(VM, host) that may be."""
    found = []
    for vm in range(problem.vms):
        for host in range(problem.hosts):
            here = problem.at[vm] == host
            allowed = problem.allowed is None or bool(problem.allowed[vm, host])
            if here or (problem.movable[vm] and problem.open[host] and allowed):
                found.append((vm, host))
    return found


def _solver() -> Any:
    try:
        return importlib.import_module("highspy")
    except ImportError as error:
        raise MissingLibraryError(
            "a proven bound needs the solver HiGHS", cause=str(error), hint="pip install highspy, and run nebula from there"
        ) from error

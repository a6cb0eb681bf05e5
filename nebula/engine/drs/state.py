"""An assignment of VMs to hosts while it is searched: loads, promised capacity and rules kept up to date."""

from __future__ import annotations

import numpy as np

from nebula.engine.drs.problem import Flags, Floats, Goal, Ints, Problem

_SLACK = 1e-9


class State:
    """Starts where the problem's VMs are."""

    def __init__(self, problem: Problem, goal: Goal) -> None:
        self.problem = problem
        self.goal = goal
        self.at: Ints = problem.at.copy()
        self.demand = problem.demand
        self.moved = 0
        self._scale = 1.0 / problem.capacity
        self._square = self._scale * self._scale
        shape = problem.capacity.shape
        self.load: Floats = np.zeros(shape)
        self.spread: Floats | None = None if problem.variance is None or not goal.coverage else np.zeros(shape)
        self.taken: Floats = np.zeros(problem.promised_capacity.shape)
        self.on: list[list[int]] = [[] for _ in range(problem.hosts)]
        self._groups = np.zeros((len(problem.apart), problem.hosts), dtype=np.int64)
        for vm in np.flatnonzero(self.at >= 0):
            self._put(int(vm), int(self.at[vm]), 1)
        self.mean, self.limit = self._levels()
        self.cost: Floats = self.costs(self.load, self.spread)

    def _levels(self) -> tuple[Floats, Floats]:
        """(R,) mean load of the open hosts, with what must come to them, and (R,) the load up to which nothing is wrong."""
        goal, problem = self.goal, self.problem
        usable = problem.open if problem.open.any() else np.ones(problem.hosts, dtype=np.bool_)
        total = np.maximum(problem.capacity[usable].sum(axis=0), _SLACK)
        staying = (problem.at >= 0) & ~usable[problem.at] & (problem.counts > 0)
        mean = problem.demand[~staying].sum(axis=0) / total
        risk = np.zeros_like(mean)
        if self.spread is not None and problem.variance is not None:
            risk = goal.coverage * np.sqrt(problem.variance[~staying].sum(axis=0) / usable.sum()) / (total / usable.sum())
        level: Floats = np.asarray(mean + risk, dtype=np.float64)
        tolerated: Floats = level + goal.tolerance
        if goal.floor > 0:
            return level, np.maximum(tolerated, goal.floor)
        return level, np.minimum(tolerated, np.maximum(goal.ceiling, level))

    # --- the objective

    def effective(self, load: Floats, spread: Floats | None) -> Floats:
        """Loads with the goal's share of their uncertainty."""
        if spread is None:
            return load
        raised: Floats = load + self.goal.coverage * np.sqrt(np.maximum(spread, 0.0))
        return raised

    def costs(self, load: Floats, spread: Floats | None) -> Floats:
        """(…): what hosts with these loads (…, R) add to the objective."""
        seen = self.effective(load, spread)
        over = np.maximum(0.0, seen - self.limit)
        off = seen - self.mean
        found: Floats = (over * over + self.goal.evenness * off * off) @ self.goal.weights
        return found

    def objective(self) -> float:
        """The whole."""
        return float(self.cost.sum() + self.problem.price[self._away()].sum())

    def _away(self) -> Flags:
        away: Flags = (self.at != self.problem.at) & (self.problem.at >= 0)
        return away

    # --- changes

    def shift(self, vm: int, host: int) -> None:
        """Put a VM on another host."""
        source = int(self.at[vm])
        home = int(self.problem.at[vm])
        if source >= 0:
            self._put(vm, source, -1)
            self._count(source)
        self.at[vm] = host
        self._put(vm, host, 1)
        self._count(host)
        if home >= 0:
            self.moved += (int(host != home) - int(source != home)) * int(self.problem.counts[vm])

    def _put(self, vm: int, host: int, sign: int) -> None:
        problem = self.problem
        self.load[host] += sign * problem.demand[vm] * self._scale[host]
        if self.spread is not None and problem.variance is not None:
            self.spread[host] += sign * problem.variance[vm] * self._square[host]
        self.taken[host] += sign * problem.promised[vm]
        if sign > 0:
            self.on[host].append(vm)
        else:
            self.on[host].remove(vm)
        for group in problem.members.get(vm, ()):
            self._groups[group, host] += sign

    def _count(self, host: int) -> None:
        spread = None if self.spread is None else self.spread[host]
        self.cost[host] = self.costs(self.load[host], spread)

    def restore(self, at: Ints) -> None:
        """Back to an assignment that was seen before."""
        for vm in np.flatnonzero(self.at != at):
            self.shift(int(vm), int(at[vm]))

    # --- what a change would do

    def scaled(self, vms: Ints, hosts: Ints | int) -> tuple[Floats, Floats | None]:
        """What VMs would add to the load (and its variance) of a host each, or of one host."""
        problem = self.problem
        load = problem.demand[vms] * self._scale[hosts]
        if self.spread is None or problem.variance is None:
            return load, None
        return load, problem.variance[vms] * self._square[hosts]

    def scaled_all(self, vms: Ints) -> tuple[Floats, Floats | None]:
        """(V, H, R): the same for every host."""
        problem = self.problem
        load = problem.demand[vms][:, None] * self._scale[None]
        if self.spread is None or problem.variance is None:
            return load, None
        return load, problem.variance[vms][:, None] * self._square[None]

    def may(self, vms: Ints) -> Flags:
        """(V, H): the rules allow the VM there now (its own host included); capacity is another question."""
        problem = self.problem
        found: Flags = np.tile(problem.open, (len(vms), 1))
        if problem.allowed is not None:
            found &= problem.allowed[vms]
        for row, vm in enumerate(vms):
            for group in problem.members.get(int(vm), ()):
                held = self._groups[group] > 0
                if self.at[vm] >= 0:
                    held = held.copy()
                    held[self.at[vm]] = self._groups[group, self.at[vm]] > 1
                found[row] &= ~held
        return found

    def fits(self, vms: Ints) -> Flags:
        """(V, H): the host has the VM's promised capacity free."""
        left = self.problem.promised_capacity - self.taken + _SLACK
        found: Flags = np.all(self.problem.promised[vms][:, None] <= left[None], axis=2)
        return found

    def prices(self, vms: Ints) -> tuple[Floats, Flags]:
        """(V,) the price of moving each, and whether it is away from home already."""
        home = self.problem.at[vms]
        away: Flags = (home >= 0) & (self.at[vms] != home)
        return np.where(home >= 0, self.problem.price[vms], 0.0), away

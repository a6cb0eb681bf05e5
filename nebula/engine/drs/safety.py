"""N+1: a plan leaves a cluster with RESERVE_HOST=YES as able to lose a host as it found it, at every step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from nebula.engine.drs.build import Indices
from nebula.engine.drs.order import Leg
from nebula.engine.drs.problem import Problem
from nebula.engine.scheduler.reserve import loss


def safe(problem: Problem, indices: Indices, legs: Sequence[Leg]) -> tuple[list[Leg], str]:
    """The legs up to the first that would break it, and why it would, in words. A cluster that could not lose a host before,
    and one in which a host must be left, is not held up: emptying a host is what the reserve is for.
    """
    if indices.forced or _Hosts(problem, indices).broken():
        return list(legs), ""
    kept: list[Leg] = []
    hosts = _Hosts(problem, indices)
    for _, wave in groupby(legs, key=lambda leg: leg.wave):
        together = list(wave)
        why = hosts.after(together).broken()
        if not why:
            hosts = hosts.after(together, arrived=True)
            why = hosts.broken()
        if why:
            return kept, why
        kept += together
    return kept, ""


class _Hosts:
    """Who is where, and what is free."""

    def __init__(self, problem: Problem, indices: Indices) -> None:
        self._problem, self._indices = problem, indices
        self._at = problem.at.copy()
        self._arriving: list[Leg] = []

    def after(self, legs: Sequence[Leg], *, arrived: bool = False) -> _Hosts:
        """The same with these under way, which take room at both ends; or `arrived`."""
        made = _Hosts(self._problem, self._indices)
        made._at = self._at.copy()
        if arrived:
            made._at[[leg.vm for leg in legs]] = [leg.target for leg in legs]
        else:
            made._arriving = list(legs)
        return made

    def broken(self) -> str:
        """Which host could not be lost, in words; empty: each could."""
        problem = self._problem
        taken = np.zeros(problem.promised_capacity.shape)
        np.add.at(taken, self._at, problem.promised)
        for leg in self._arriving:
            taken[leg.target] += problem.promised[leg.vm]
        free = (problem.promised_capacity - taken).astype(np.int64).tolist()
        sizes = problem.promised.astype(np.int64).tolist()
        on: list[list[tuple[int, int]]] = [[] for _ in free]
        for vm, host in enumerate(self._at.tolist()):
            on[host].append((sizes[vm][0], sizes[vm][1]))
        names = [host.name for host in self._indices.hosts]
        usable = np.flatnonzero(problem.open).tolist()
        return loss([(names[host], (free[host][0], free[host][1]), on[host]) for host in usable])

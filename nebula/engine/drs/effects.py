"""What a plan brought: the same sum as in its promise, by what is measured now; and when DRS should stop.

A promise is the difference between two placements of the same VMs under the same load: the one before and the one after. So is
an effect: where the VMs are now, and where they would be had they stayed, both with what they use now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from nebula.engine.drs.build import build
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.state import State
from nebula.engine.drs.values import DrsSnapshot, Move

_ENOUGH = 0.25
"""A plan helped if at least this share of what it promised came true."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """`promised` and `measured`: by how much the moves that were made lower the objective; `hottest_before` and `_after`: the
    highest load of any host, without them and with them.
    """

    promised: float
    measured: float
    hottest_before: float
    hottest_after: float
    at: float

    @property
    def helped(self) -> bool:
        """Whether it was worth it."""
        return self.measured >= _ENOUGH * self.promised


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster is: the objective, and the highest load of any host."""

    objective: float
    hottest: float


def score(snapshot: DrsSnapshot, policy: DrsPolicy) -> Score:
    """By what is measured, if that is what the snapshot holds."""
    problem, goal, _ = build(snapshot, policy)
    state = State(problem, goal)
    return Score(objective=float(state.cost.sum()), hottest=float(state.load.max()) if state.load.size else 0.0)


def effect(snapshot: DrsSnapshot, policy: DrsPolicy, moves: Sequence[Move], at: float) -> Effect:
    """Of a plan's moves. A VM that is not where it was to go (its move failed, or another one followed) counts for nothing, in
    what was promised and in what is measured.
    """
    ways = _ways(moves)
    made = {vm.id: ways[vm.id] for vm in snapshot.vms if vm.id in ways and vm.host_id == ways[vm.id].target}
    back = tuple(msgspec.structs.replace(vm, host_id=made[vm.id].source) if vm.id in made else vm for vm in snapshot.vms)
    known = {host.id for host in snapshot.hosts}
    if any(way.source not in known for way in made.values()):
        made, back = {}, snapshot.vms
    without, with_ = score(msgspec.structs.replace(snapshot, vms=back), policy), score(snapshot, policy)
    return Effect(
        promised=sum(way.gain for way in made.values()),
        measured=without.objective - with_.objective,
        hottest_before=without.hottest,
        hottest_after=with_.hottest,
        at=at,
    )


class _Way(NamedTuple):
    """Of a VM, from where it was to where it went at last; what all of its moves promised."""

    source: int
    target: int
    gain: float


def _ways(moves: Sequence[Move]) -> dict[int, _Way]:
    found: dict[int, _Way] = {}
    for move in moves:
        first = found.get(move.vm_id, _Way(move.source_id, move.target_id, 0.0))
        found[move.vm_id] = _Way(first.source, move.target_id, first.gain + move.gain)
    return found


def judged(state: dict[str, Any], helped: bool, stop_after: int) -> dict[str, Any]:
    """The cluster's record (poor plans in a row, why it stopped) after one more plan was measured."""
    poor = 0 if helped else int(state.get("poor", 0)) + 1
    stopped = f"the last {poor} plans did not do what they promised" if stop_after and poor >= stop_after else ""
    return {"poor": poor, "stopped": stopped}

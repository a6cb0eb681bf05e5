"""A plan in words and figures: what each move is for, what it costs, what every host looks like before and after."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from nebula.engine.drs.build import Indices
from nebula.engine.drs.copying import copied, seconds
from nebula.engine.drs.order import Leg
from nebula.engine.drs.problem import Floats, Goal, Problem
from nebula.engine.drs.state import State
from nebula.engine.drs.values import DrsPlan, DrsSnapshot, Figures, HostLoad, Move


def describe(
    snapshot: DrsSnapshot,
    problem: Problem,
    goal: Goal,
    indices: Indices,
    legs: Sequence[Leg],
    stranded: Sequence[int],
    unsafe: str = "",
) -> DrsPlan:
    """The plan for people and for the applier. `unsafe`: why what would help is not made."""
    state = State(problem, goal)
    before, first, counts = float(state.cost.sum()), state.effective(state.load, state.spread).copy(), _counts(state)
    emptied = _emptied(state, legs)
    coming = {leg.target for leg in legs}
    moves = [_move(snapshot, state, indices, leg, emptied, coming) for leg in legs]
    last, after_counts = state.effective(state.load, state.spread), _counts(state)
    hosts = tuple(
        HostLoad(
            host_id=host.id,
            host=host.name,
            before=_named(first[index], indices),
            after=_named(last[index], indices),
            vms_before=counts[index],
            vms_after=after_counts[index],
        )
        for index, host in enumerate(indices.hosts)
    )
    return DrsPlan(
        cluster_id=snapshot.cluster_id,
        cluster=snapshot.cluster,
        at=snapshot.at,
        moves=tuple(moves),
        hosts=hosts,
        before=before,
        after=float(state.cost.sum()),
        why_not="" if moves else _why_not(state, indices, unsafe),
        stranded=tuple((indices.vms[vm].id, "no host of the cluster can take it") for vm in stranded),
        staying=_staying(state, indices, {leg.source for leg in legs}),
        could_sleep=tuple(host.host for host in hosts if host.vms_after == 0),
    )


def nothing(snapshot: DrsSnapshot) -> DrsPlan:
    """The plan of a cluster in which there is nothing to plan."""
    names = tuple(host.name for host in sorted(snapshot.hosts, key=lambda host: host.id))
    why = ("what its hosts have is not known yet" if snapshot.vms else "no VM runs here") if names else "there is no host"
    return DrsPlan(
        cluster_id=snapshot.cluster_id,
        cluster=snapshot.cluster,
        at=snapshot.at,
        moves=(),
        hosts=(),
        before=0.0,
        after=0.0,
        why_not=why,
        could_sleep=() if snapshot.vms else names,
    )


def _counts(state: State) -> list[int]:
    return [len(vms) for vms in state.on]


def _staying(state: State, indices: Indices, left: Collection[int]) -> tuple[tuple[int, str], ...]:
    """Those of hosts that must be left, that VMs leave, or that are above their limit."""
    over = np.flatnonzero((state.effective(state.load, state.spread) - state.limit).max(axis=1) > 0).tolist()
    named = {*left, *over} | {number for number, host in enumerate(indices.hosts) if host.leave}
    return tuple((vm.id, vm.bound) for vm, host in zip(indices.vms, state.at, strict=True) if vm.bound and int(host) in named)


def _emptied(state: State, legs: Sequence[Leg]) -> set[int]:
    """Hosts that nothing is left on in the end."""
    at = state.at.copy()
    for leg in legs:
        at[leg.vm] = leg.target
    return {int(host) for host in state.at} - {int(host) for host in at}


def _named(row: Floats, indices: Indices) -> Figures:
    return Figures(**{metric: round(float(value), 6) for metric, value in zip(indices.metrics, row, strict=True)})


def _move(snapshot: DrsSnapshot, state: State, indices: Indices, leg: Leg, emptied: set[int], coming: set[int]) -> Move:
    vm, source, target = indices.vms[leg.vm], indices.hosts[leg.source], indices.hosts[leg.target]
    reason = _reason(state, indices, leg, emptied, coming)
    cost = float(state.cost.sum())
    state.shift(leg.vm, leg.target)
    return Move(
        vm_id=vm.id,
        vm=vm.name,
        source_id=source.id,
        source=source.name,
        target_id=target.id,
        target=target.name,
        wave=leg.wave,
        gain=cost - float(state.cost.sum()),
        copy_mib=copied(vm, snapshot.link_mib),
        seconds=round(seconds(vm, snapshot.link_mib), 1),
        reason=reason,
    )


def _reason(state: State, indices: Indices, leg: Leg, emptied: set[int], coming: set[int]) -> str:
    """What is wrong with the source, and why the target. `coming`: hosts that VMs come to."""
    source, target = indices.hosts[leg.source], indices.hosts[leg.target]
    if source.leave:
        return f"{source.name} is to be left: {source.leave}"
    loads = state.effective(state.load, state.spread)
    over = (loads[leg.source] - state.limit) * state.goal.weights
    worst = int(np.argmax(over))
    metric = indices.metrics[worst]
    here, there, limit = (float(value[worst]) for value in (loads[leg.source], loads[leg.target], state.limit))
    if here > limit:
        return f"{metric} of {source.name} {here:.0%}, limit {limit:.0%}; {target.name} {there:.0%}"
    if leg.source in emptied:
        return f"{source.name} can be emptied; {target.name} has room"
    both = f"{metric} of {source.name} {here:.0%}, {target.name} {there:.0%}"
    return f"makes room on {source.name} for a VM that comes; {both}" if leg.source in coming else f"evens out: {both}"


def _why_not(state: State, indices: Indices, unsafe: str) -> str:
    if unsafe:
        return f"what would help is not safe from the loss of a host (RESERVE_HOST): {unsafe}"
    over = (state.effective(state.load, state.spread) - state.limit) * state.goal.weights
    host, metric = np.unravel_index(int(np.argmax(over)), over.shape)
    name, load = indices.metrics[int(metric)], float(state.effective(state.load, state.spread)[host, metric])
    limit = float(state.limit[metric])
    words = f"hottest: {name} of {indices.hosts[int(host)].name} {load:.0%}, limit {limit:.0%}"
    return f"balanced ({words})" if load <= limit else f"no move helps enough ({words})"

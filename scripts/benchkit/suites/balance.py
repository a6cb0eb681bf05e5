"""Balancing once: hottest host's CPU and memory, moves and GiB copied; ours beside Ganeti's hbal and a plain greedy descent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchkit import hbal
from benchkit.balance_instance import CORES, GIB, Instance, Result, judge, make, snapshot
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.drs.policy import DrsPolicy, Weights
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.values import DrsPlan

NEEDS_PROGRAM = False
SIZES = ((4, 40), (10, 100), (20, 200), (50, 500), (200, 3000))
LARGE = ((500, 10_000),)
HBAL_MOST = 500
"""VMs; beyond that hbal takes minutes to hours."""
STRIPING = DrsPolicy(policy="striping", budget_share=1.0)
TENTH = DrsPolicy(policy="striping", budget_share=0.1, weights=Weights(cpu=1.0, memory=0.0), move_price=0.0)
_ROUNDS = 30


class Run(NamedTuple):
    """An answer and how long it took: processor seconds, a peer's wall time."""

    result: Result
    seconds: float


def run(bench: Bench) -> Iterator[Figure]:
    """Each size with its peers; then thirty rounds under a fixed load."""
    for hosts, vms in SIZES + (LARGE if bench.large else ()):
        instance = make(hosts, vms, bench.seed)
        name = f"{hosts} hosts/{vms} VMs, seed {bench.seed}"
        before = judge(instance, instance.at)
        yield from _figures(f"{name}, as it is", Run(before, 0.0), "")
        peer = _hbal(instance, bench) if vms <= HBAL_MOST else None
        beside = _words(peer) if peer else "hbal: not run"
        yield from _figures(f"{name}, ours", _ours(instance, STRIPING), f"{beside}; greedy: {_words(_greedy(instance))}")
        yield from _figures(f"{name}, ours, at most a tenth of the VMs", _ours(instance, TENTH), "")
    instance = make(20, 200, bench.seed)
    yield Figure("rounds with moves under a fixed load, of 30 (20/200)", "", [float(_restless(instance))], "goal: none after 3")


def _figures(name: str, run: Run, beside: str) -> Iterator[Figure]:
    yield Figure(f"{name}: hottest CPU", "", [run.result.cpu], beside)
    yield Figure(f"{name}: spread of CPU (sd)", "", [run.result.sd])
    yield Figure(f"{name}: hottest memory", "", [run.result.memory])
    if run.seconds:
        yield Figure(f"{name}: moves", "", [float(run.result.moves)])
        yield Figure(f"{name}: copied", "GiB", [run.result.gib])
        yield Figure(f"{name}: processor", "s", [run.seconds])


def _words(run: Run | None) -> str:
    if run is None:
        return "not in time"
    found = run.result
    loads = f"{found.cpu:.3f}/{found.sd:.3f}, memory {found.memory:.3f}"
    return f"{loads}, {found.moves} moves, {found.gib:.0f} GiB, {run.seconds:.2f} s"


def _ours(instance: Instance, policy: DrsPolicy) -> Run:
    shown = snapshot(instance)
    began = time.process_time()
    plan = rebalance(shown, policy)
    seconds = time.process_time() - began
    return Run(judge(instance, _applied(instance.at, plan)), seconds)


def _applied(at: NDArray[np.int64], plan: DrsPlan) -> NDArray[np.int64]:
    after = at.copy()
    for move in plan.moves:
        after[move.vm_id - 1] = move.target_id - 1
    return after


def _hbal(instance: Instance, bench: Bench) -> Run | None:
    if not hbal.installed():
        return None
    share = np.stack([instance.cores / CORES, instance.gib / GIB, 0 * instance.gib, 0 * instance.gib], axis=1)
    question = hbal.Question(instance.hosts, instance.at, instance.gib * 1024, GIB * 1024.0, share)
    answer = hbal.balance(question, bench.scratch)
    return Run(judge(instance, answer.at), answer.seconds) if answer else None


def _greedy(instance: Instance) -> Run:
    """The floor: the one move that lowers the variance of CPU + half the memory's most, until there is none."""
    began = time.process_time()
    share = np.stack([instance.cores / 32, instance.gib / 256 * np.sqrt(0.5)], axis=1)
    at, load = instance.at.copy(), np.zeros((instance.hosts, 2))
    np.add.at(load, at, share)
    size = (share**2).sum(axis=1)
    for _ in range(10 * len(at)):
        change = 2 * (share @ load.T - (share * load[at]).sum(axis=1)[:, None] + size[:, None])
        change[np.arange(len(at)), at] = 0.0
        change[(instance.gib[:, None] / 256 + load[None, :, 1] / np.sqrt(0.5)) > 1] = 0.0
        vm, host = divmod(int(np.argmin(change)), instance.hosts)
        if change[vm, host] > -1e-6:
            break
        load[at[vm]] -= share[vm]
        load[host] += share[vm]
        at[vm] = host
    return Run(judge(instance, at), time.process_time() - began)


def _restless(instance: Instance) -> int:
    """How many of the rounds after the third moved anything."""
    moved, at = 0, instance.at
    for number in range(_ROUNDS):
        plan = rebalance(snapshot(instance._replace(at=at)), msgspec.structs.replace(STRIPING, budget_share=0.1), seed=number)
        moved += bool(plan.moves) and number >= 3
        at = _applied(at, plan)
    return moved

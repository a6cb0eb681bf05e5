"""The small cluster's physics against figures that can be worked out by hand, and each who decides in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchkit import traces
from benchkit.errors import BenchError
from benchkit.hbal import Answer, Question
from benchkit.movers import Coefficient, Hourly, Nobody, Outlook, Planner
from benchkit.small_cluster import METRICS, Cluster, Run, Seen

from nebula.engine.drs.policy import DrsPolicy

MIB = 3000.0


def cluster(*cpu: float, at: tuple[int, ...], hosts: int = 2, steps: int = 6, mib: float = MIB, room: float = 1e6) -> Cluster:
    """VMs that always want so much CPU, on hosts that have 100."""
    demand = np.zeros((len(cpu), steps, len(METRICS)))
    demand[:, :, 0] = np.array(cpu)[:, None]
    demand[:, :, 1] = mib
    capacity = np.array([100.0, room, 100.0, 100.0])
    return Cluster(hosts, demand, np.full(len(cpu), 4096.0), capacity, room, np.array(at), warm=0)


class Script:
    """What is to move at which step."""

    def __init__(self, **moves: tuple[int, int]) -> None:
        self.moves = {int(step[1:]): move for step, move in moves.items()}

    def decide(self, seen: Seen) -> list[tuple[int, int]]:
        return [self.moves[seen.step]] if seen.step in self.moves else []


def test_vms_of_a_host_that_is_wanted_more_of_than_it_has_are_short() -> None:
    outcome = Run(cluster(60.0, 50.0, 10.0, 0.0, at=(0, 0, 1, 0))).run(Nobody())
    assert outcome.short == pytest.approx(50.0)  # two of four; one wants nothing, one has enough
    assert outcome.host_hours == pytest.approx(2 * 6 * 300 / 3600)
    assert (outcome.moves, outcome.gib, outcome.returns) == (0, 0.0, 0)


def test_a_move_ends_the_shortage_at_the_next_step() -> None:
    outcome = Run(cluster(60.0, 50.0, at=(0, 0))).run(Script(s2=(1, 1)))
    assert outcome.short == pytest.approx(100 * 3 / 6)
    assert outcome.host_hours == pytest.approx((3 + 3 * 2) * 300 / 3600)
    assert (outcome.moves, outcome.gib) == (1, MIB / 1024)


def test_a_long_copy_holds_the_vm_and_costs_cpu_on_both_hosts() -> None:
    slow = cluster(50.0, 46.0, 97.0, at=(0, 0, 1), mib=2.5 * 30_000)
    outcome = Run(slow).run(Script(s1=(1, 1)))  # three steps: 50 + 46 + 4.6 on one host, 97 + 4.6 on the other
    assert outcome.short == pytest.approx(100 * (2 * 3 + 2 * 2) / 18)


def test_a_host_holds_no_more_memory_than_it_has() -> None:
    full = cluster(10.0, 10.0, at=(0, 1), room=6000.0)
    assert Run(full).run(Script(s1=(0, 1))).moves == 0


def test_a_vm_that_comes_back_within_two_hours_is_counted() -> None:
    there_and_back = Script(s1=(0, 1), s20=(0, 0))
    assert Run(cluster(10.0, at=(0,), steps=40)).run(there_and_back).returns == 1
    late = Script(s1=(0, 1), s30=(0, 0))
    assert Run(cluster(10.0, at=(0,), steps=40)).run(late).returns == 0


def test_the_cluster_is_never_short_as_a_whole_and_each_host_holds_its_largest_vm() -> None:
    random = np.random.default_rng(3)
    demand = random.lognormal(0.0, 1.0, (30, 50, len(METRICS)))
    made = Cluster.of(demand, random.lognormal(7.0, 1.0, 30), 4, 10, 3)
    assert made.demand[:, :, 0].sum(axis=0).max() <= 0.9 * 4 * made.capacity[0] + 1e-9
    assert made.demand[:, :, 0].max() <= made.capacity[0]
    assert np.bincount(made.begin, made.promised, 4).max() <= made.room


def test_fewer_days_are_the_begin_of_the_same_run() -> None:
    random = np.random.default_rng(3)
    whole = Cluster.of(random.lognormal(0.0, 1.0, (30, 50, len(METRICS))), np.full(30, 900.0), 4, 10, 3)
    short = whole.first(20)
    assert (short.capacity.tolist(), short.begin.tolist()) == (whole.capacity.tolist(), whole.begin.tolist())
    assert short.demand.tolist() == whole.demand[:, :30].tolist()
    assert Run(short).run(Nobody()).host_hours == pytest.approx(20 / 40 * Run(whole).run(Nobody()).host_hours)


def test_the_coefficient_rule_waits_for_some_rounds_and_moves_one_vm() -> None:
    skewed = cluster(30.0, 30.0, 30.0, at=(0, 0, 0))
    run = Run(skewed)
    outcome = run.run(Coefficient(rounds=3))
    assert outcome.moves == 1
    assert sorted(np.bincount(run.at).tolist()) == [1, 2]


def test_hbal_is_asked_every_hour_with_what_was_used() -> None:
    asked: list[Question] = []

    def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer(np.array([0, 1]), 0.1)

    run = Run(cluster(60.0, 50.0, at=(0, 0), steps=25))
    outcome = run.run(Hourly(Path(), answer))
    assert len(asked) == 3
    assert asked[0].use[:, 0].tolist() == pytest.approx([0.6, 0.5])
    assert (outcome.moves, run.at.tolist()) == (1, [0, 1])


def test_ours_ends_a_shortage_and_then_moves_nothing() -> None:
    crowd = cluster(30.0, 30.0, 30.0, 25.0, at=(0, 0, 0, 0), steps=60)
    run = Run(crowd)
    outcome = run.run(Planner(DrsPolicy(mode="full", budget_share=0.5), Outlook(crowd)))
    assert np.bincount(run.at, minlength=2).tolist() in ([2, 2], [3, 1], [1, 3])
    assert outcome.moves <= 2
    assert outcome.short < 10


def test_traces_are_drawn_from_vms_that_were_measured(tmp_path: Path) -> None:
    (tmp_path / "bitbrains").mkdir()
    used = np.full((3, 20), 260, dtype=np.int32)
    used[1] = -1
    used[2, 5] = -1
    names = ("cpu_mhz", "memory_mb", "disk_read_kbs", "disk_write_kbs", "net_rx_kbs", "net_tx_kbs")
    sold = np.array([1.0, 2.0, 3.0])
    columns: dict[str, Any] = dict.fromkeys(names, used)
    np.savez(tmp_path / "bitbrains" / "x.npz", memory_capacity_mb=sold, **columns)
    drawn = traces.bitbrains_vms(tmp_path, 3, 20, 0)
    assert drawn.promised.tolist() == [1.0, 3.0]
    assert drawn.demand[1, 5].tolist() == pytest.approx([10.0, 260.0, 520 / 1024, 520 / 1024])


def test_no_traces_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="Bitbrains"):
        traces.bitbrains_vms(tmp_path, 3, 20, 0)

"""The consolidation benchmark's physics against figures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from benchkit.consolidating import Ours
from benchkit.consolidation import HOSTS, MEMORY, Day, Load, View, placed
from benchkit.history_rule import HistoryRule
from benchkit.lrmmt import LrMmt
from benchkit.traces import Floats


class Still:
    def decide(self, view: View) -> list[tuple[int, int]]:
        return []


class Once:
    """Moves VM 0 to hosts, one after the other, at the first chance."""

    def __init__(self, *targets: int) -> None:
        self.targets = targets

    def decide(self, view: View) -> list[tuple[int, int]]:
        return [(0, target) for target in self.targets] if view.step == 1 else []


def load(*percent: float, steps: int = 4) -> Load:
    return Load.of(np.repeat(np.array(percent)[:, None], steps, axis=1))


def test_energy_is_the_hosts_power_over_time_from_the_second_sample_on() -> None:
    day = Day(load(53.2), "mended")  # 1330 of 5320 MIPS: a quarter of a G5, between 101 W at 20 % and 105 W at 30 %
    assert day.at.tolist() == [1]
    assert day.run(Still()).kwh == pytest.approx(103.0 * 3 * 300 / 3.6e6)


def test_a_migration_costs_a_tenth_of_the_vms_work_and_its_targets_time() -> None:
    outcome = Day(load(50.0), "mended").run(Once(3))
    seconds = 870 / 62.5
    assert outcome.moves == 1
    assert outcome.pdm == pytest.approx(0.1 * seconds / 900)
    assert outcome.slatah == pytest.approx(seconds / (900 + seconds))


def test_a_vm_counts_on_the_target_after_its_migration() -> None:
    day = Day(load(50.0), "mended")
    day.run(Once(3))
    assert day.at.tolist() == [3]


def test_a_vm_that_is_sent_on_in_the_same_plan_moves_twice() -> None:
    day = Day(load(50.0), "flawed")
    assert day.run(Once(3, 5)).moves == 2
    assert day.at.tolist() == [5]


def test_mended_hosts_hold_no_more_memory_than_they_have() -> None:
    class Crowd:
        def decide(self, view: View) -> list[tuple[int, int]]:
            return [(vm, 7) for vm in range(8)]

    crowd = load(*[1.0] * 8)
    mended, flawed = Day(crowd, "mended"), Day(crowd, "flawed")
    mended.run(Crowd())
    flawed.run(Crowd())
    assert crowd.memory[mended.at == 7].sum() <= MEMORY
    assert (flawed.at == 7).all()


def test_only_a_whole_step_of_zero_deletes_a_vm() -> None:
    day = Day(Load.of(np.array([[9.0, 0.0, 9.0], [9.0, 0.0, 0.0], [9.0, 9.0, 0.0]])), "flawed")
    day.run(Still())
    assert (day.at >= 0).tolist() == [True, False, False]


def test_the_start_keeps_cores_and_memory() -> None:
    crowd = Load.of(np.full((400, 2), 10.0))
    at = placed(Day(crowd, "mended").park, crowd)
    assert np.bincount(at, crowd.memory, HOSTS).max() <= MEMORY
    assert np.bincount(at, crowd.mips, HOSTS).max() <= 5320


def test_lr_mmt_empties_a_host_that_it_just_sent_a_vm_to() -> None:
    """Each G5 holds a VM that does next to nothing, the first G4 two that are too much together with a third."""
    demand = np.full((403, 12), 1.0)
    demand[400:] = [[200.0], [1500.0], [1500.0]]
    at = np.array([*range(1, HOSTS, 2), 0, 0, 0])
    load = Load(demand, demand[:, 0], np.full(403, 870.0))
    view = View(Day(load, "flawed").park, load, "flawed", 11, at, np.full(403, -99))
    moved = [vm for vm, _ in LrMmt().decide(view)]
    assert moved.count(400) == 2


def _varied(seed: int) -> Floats:
    random = np.random.default_rng(seed)
    level = random.lognormal(2.0, 1.0, 120)
    return np.clip(level[:, None] * random.lognormal(0.0, 0.4, (120, 60)), 0.5, 100.0)


@pytest.mark.parametrize("rule", [LrMmt, HistoryRule, Ours])
def test_rules_empty_hosts(rule: type[LrMmt | HistoryRule | Ours]) -> None:
    varied = Load.of(_varied(1))
    still, moved = Day(varied, "flawed").run(Still()), Day(varied, "flawed").run(rule())
    assert moved.moves > 0
    assert moved.kwh < still.kwh


@pytest.mark.parametrize("seed", range(3))
def test_ours_beats_the_floor_on_energy_and_esv(seed: int) -> None:
    varied = Load.of(_varied(seed))
    floor, ours = Day(varied, "flawed").run(HistoryRule()), Day(varied, "flawed").run(Ours())
    assert ours.kwh < floor.kwh
    assert ours.esv < floor.esv
    assert ours.moves <= floor.moves

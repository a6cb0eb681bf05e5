"""The proven bound: never above what a plan reaches, reached where the best is known, and one clear word without the solver."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from nebula.engine.drs.bound import distance
from nebula.engine.drs.policy import DrsPolicy, Weights
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.values import DrsPlan, DrsSnapshot
from nebula.errors import MissingLibraryError
from tests.support.sim import CALL, DRY, sim_engine
from tests.unit.engine.drs.clusters import EAGER, cluster, clusters, host, vm
from tests.unit.engine.drs.test_plans_hold import policies

NOTHING = 1e-6


@settings(max_examples=15, deadline=None)
@given(clusters(), policies)
def test_no_plan_is_better_than_the_bound(snapshot: DrsSnapshot, policy: DrsPolicy) -> None:
    if not snapshot.vms:
        return
    small = msgspec.structs.replace(snapshot, vms=snapshot.vms[:9])
    found = distance(small, policy, rebalance(small, policy))
    assert found.proven
    assert found.bound <= found.plan + NOTHING
    assert found.bound <= found.before + NOTHING or any(host.leave for host in small.hosts)


def test_where_the_best_is_known_it_is_the_bound(capfd: pytest.CaptureFixture[str]) -> None:
    snapshot = cluster([host(1), host(2)], [vm(n, 1, 200) for n in range(1, 5)])
    policy = msgspec.structs.replace(EAGER, weights=Weights(cpu=1.0, memory=0.0))
    found = distance(snapshot, policy, rebalance(snapshot, policy))
    assert (found.before, found.plan, found.proven) == (0.8, 0.4, True)
    assert found.bound == pytest.approx(0.4)
    assert capfd.readouterr().out == "", "what the solver says is no data"


def test_the_bound_keeps_the_budget() -> None:
    snapshot = cluster([host(1), host(2)], [vm(n, 1, 200) for n in range(1, 5)])
    policy = msgspec.structs.replace(EAGER, weights=Weights(cpu=1.0, memory=0.0), budget_share=0.25)
    assert distance(snapshot, policy, rebalance(snapshot, policy)).bound == pytest.approx(0.6)


def test_a_host_that_is_over_its_capacity_already_has_a_bound_too() -> None:
    full = [vm(n, 1, 100, memory=6000, fixed="its template says DRS=NO") for n in (1, 2)]
    snapshot = cluster([host(1), host(2)], full, apart=((1, 2),))
    found = distance(snapshot, EAGER, rebalance(snapshot, EAGER))
    assert found.bound == pytest.approx(found.plan)


def test_without_the_solver_one_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    snapshot = cluster([host(1)], [vm(1, 1)])
    plan: DrsPlan = rebalance(snapshot, EAGER)
    with pytest.raises(MissingLibraryError, match="needs the solver HiGHS") as caught:
        distance(snapshot, EAGER, plan)
    assert caught.value.hint.startswith("pip install highspy")
    with sim_engine(tmp_path / "home") as sim:
        sim.add_vm("one")
        with pytest.raises(MissingLibraryError, match="needs the solver HiGHS"):
            sim.engine.drs.plan("default", DRY, bound=True)
        monkeypatch.undo()
        assert sim.engine.drs.plan("default", CALL, bound=True).body["bound"]["proven"]

"""DRS at work on simulated hosts: it moves what is hot, once; it asks before; it measures; it stops when it does not help."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.sim.load import Profile
from nebula.engine.api.tables import Query
from nebula.engine.drs.plans import propose
from nebula.engine.drs.policy import DrsPolicy, Weights
from nebula.engine.drs.values import DrsPlan, Move
from nebula.engine.store.rows import ClusterRow, HistoryRow, JobRow, PlanRow
from nebula.errors import ConflictError, NotFoundError, UsageError
from tests.support.sim import CALL, DRY, SETTINGS, Sim, sim_engine, until

QUICK = {"interval": "10s", "policy": "striping", "patience": "1", "weights.memory": "0", "budget_share": "1"}
PROFILES: tuple[Profile, ...] = ("busy", "busy", "idle", "idle")
FAST = msgspec.structs.replace(SETTINGS, monitor_interval=0.1)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Sim]:
    """Three hosts; four VMs on h1, two of them at work."""
    with sim_engine(tmp_path / "home", settings=FAST, shared=True) as sim:
        for number, profile in enumerate(PROFILES):
            sim.world.guests.order(f"vm-{number}", profile=profile)
            sim.add_vm(f"vm-{number}", VCPU=2, CPU=1, HOST="h1")
        until(lambda: all(len(sim.engine.monitor.figures.rows("vm", sim.vm(f"vm-{n}").id)) > 3 for n in range(4)), "figures")
        yield sim


def migrations(sim: Sim) -> list[JobRow]:
    return sim.rows(JobRow, "\"kind\"='vm.migrate-live'")


def hosts(sim: Sim) -> list[str]:
    return [host for n in range(4) for host in sim.runs(f"vm-{n}")]


def test_manual_mode_only_recommends(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    plan = busy.engine.drs.plan("default", CALL)
    assert plan.body["moves"]
    assert busy.rows(PlanRow)[0].state == "proposed"
    time.sleep(0.5)
    assert migrations(busy) == []
    assert hosts(busy) == ["h1"] * 4


def test_a_dry_run_stores_nothing(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    before = busy.everything()
    assert busy.engine.drs.plan("default", DRY).body["moves"]
    assert busy.engine.drs.set("default", {"mode": "full"}, DRY).would
    assert busy.everything() == before


def test_a_plan_is_carried_out_and_its_moves_are_in_the_history(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    plan = busy.engine.drs.plan("default", CALL)
    busy.engine.drs.apply(plan.id, CALL)
    busy.settle()
    row = busy.rows(PlanRow)[0]
    assert (row.state, row.ended > 0) == ("done", True)
    moved = {move["vm_id"]: move["target"] for move in plan.body["moves"]}
    for number in range(4):
        vm = busy.vm(f"vm-{number}")
        assert busy.runs(vm.name) == [moved.get(vm.id, "h1")]
    reasons = [row.reason for row in busy.rows(HistoryRow, "\"action\"='live-migrate'")]
    assert reasons
    assert all(reason.startswith("DRS: cpu of h1") for reason in reasons)
    with pytest.raises(ConflictError, match="is done"):
        busy.engine.drs.apply(plan.id, CALL)
    listed = busy.engine.drs.list(Query(columns=("id", "state", "moves")))
    assert listed.rows == [[plan.id, "done", len(moved)]]
    busy.assert_sound()


def test_some_moves_of_a_plan_may_be_chosen(busy: Sim) -> None:
    busy.engine.drs.set("default", {**QUICK, "move_price": "0"}, CALL)
    plan = busy.engine.drs.plan("default", CALL)
    assert len(plan.body["moves"]) > 1
    with pytest.raises(UsageError, match="has no move 99"):
        busy.engine.drs.apply(plan.id, CALL, moves=[99])
    busy.engine.drs.apply(plan.id, CALL, moves=[1])
    busy.settle()
    assert len(migrations(busy)) == 1
    with pytest.raises(NotFoundError):
        busy.engine.drs.apply(99, CALL)


def test_full_mode_moves_what_is_hot_once_and_then_rests(busy: Sim) -> None:
    busy.engine.drs.set("default", {**QUICK, "mode": "full"}, CALL)
    until(lambda: busy.rows(PlanRow, "\"state\"='done'"), "a plan that was carried out", 30.0)
    moved = len(migrations(busy))
    assert moved >= 1
    assert len(set(busy.runs("vm-0") + busy.runs("vm-1"))) == 2, "the two that work share a host"
    due = busy.engine._drs_loop
    for _ in range(2):
        due._due.clear()
        time.sleep(1.0)
    assert len(migrations(busy)) == moved, "with a fixed load it moves nothing more"
    busy.assert_sound()


def test_partial_mode_asks_and_does_not_ask_twice(busy: Sim) -> None:
    busy.engine.drs.set("default", {**QUICK, "mode": "partial"}, CALL)
    until(lambda: busy.rows(PlanRow), "a proposal", 30.0)
    busy.engine._drs_loop._due.clear()
    time.sleep(1.0)
    assert [row.state for row in busy.rows(PlanRow) if row.state == "proposed"] == ["proposed"]
    assert migrations(busy) == []


def test_a_move_that_became_impossible_is_refused_and_the_rest_is_made(busy: Sim) -> None:
    target = busy.host("h2")
    moves = tuple(
        Move(
            vm_id=busy.vm(name).id, vm=name, source_id=busy.host("h1").id, source="h1", target_id=number, target="h2",
            wave=0, gain=1.0, copy_mib=1.0, seconds=1.0, reason="test",
        )
        for name, number in (("vm-0", target.id), ("vm-1", 4711))
    )  # fmt: skip
    plan = DrsPlan(cluster_id=target.cluster_id, cluster="default", at=0.0, moves=moves, hosts=(), before=1.0, after=0.0)
    row = busy.engine.services.store.write(lambda tx: propose(tx, plan, DrsPolicy(), "tester"))
    busy.engine.drs.apply(row.id, CALL)
    busy.settle()
    shown = busy.engine.drs.show(row.id).body
    assert shown["state"] == "partly"
    assert shown["message"] == "1 of 2 moves were made"
    assert busy.runs("vm-0") == ["h2"]
    assert busy.runs("vm-1") == ["h1"]


def worse(sim: Sim, ended: float, gain: float = 1.0) -> PlanRow:
    """A plan that was carried out and brought vm-0, which works, from h2 to where the others are."""
    source, target = sim.host("h2"), sim.host("h1")
    move = Move(
        vm_id=sim.vm("vm-0").id, vm="vm-0", source_id=source.id, source="h2", target_id=target.id, target="h1",
        wave=0, gain=gain, copy_mib=1.0, seconds=1.0, reason="test",
    )  # fmt: skip
    plan = DrsPlan(cluster_id=1, cluster="default", at=0.0, moves=(move,), hosts=(), before=1.0, after=0.0)
    store = sim.engine.services.store
    row = store.write(lambda tx: propose(tx, plan, DrsPolicy(), "tester"))
    return store.write(lambda tx: tx.swap(tx.get(PlanRow, row.id), state="done", ended=tx.now - ended))


def measure(sim: Sim, **policy: object) -> None:
    found = DrsPolicy(policy="striping", **policy)  # type: ignore[arg-type]
    planner = sim.engine._drs_loop._planner
    planner._judge_at.clear()  # the loop may have looked at one before the next was there
    planner.measure_effects(sim.rows(ClusterRow)[0], found, settle=1.0)


def test_plans_that_do_not_help_stop_the_policy_and_a_person_starts_it_again(busy: Sim) -> None:
    engine = busy.engine
    engine.drs.set("default", {**QUICK, "stop_after": "1"}, CALL)
    plan = worse(busy, ended=5)
    measure(busy, predictive=False)
    assert engine.drs.show(plan.id).body["effect"]["measured"] < 0
    assert engine.drs.list(Query(columns=("helped",))).rows[0][0] == engine.drs.show(plan.id).body["helped"] == "no"
    assert any(event.kind == "drs.judged" and event.body["helped"] == "no" for event in engine.events.list())
    assert "did not do what they promised" in engine.drs.status("default")[0].body["waits"]
    engine.drs.set("default", {"mode": "manual"}, CALL)
    assert "stopped" not in engine.drs.status("default")[0].body["waits"]


def test_a_plan_for_the_coming_hour_may_help_until_it_is_over(busy: Sim) -> None:
    early, late = worse(busy, ended=3590), worse(busy, ended=10)
    measure(busy)
    assert busy.engine.drs.show(early.id).body["effect"] is not None, "another plan followed"
    assert busy.engine.drs.show(late.id).body["effect"] is None, "what it was made for may still come"
    last = worse(busy, ended=3700)
    measure(busy)
    effect = busy.engine.drs.show(last.id).body["effect"]
    assert effect["promised"] == 1.0
    assert effect["measured"] < 0


def test_a_plan_that_helps_is_measured_by_the_sum_that_it_promised(busy: Sim) -> None:
    busy.engine.drs.set("default", {**QUICK, "predictive": "no"}, CALL)
    plan = busy.engine.drs.plan("default", CALL)
    busy.engine.drs.apply(plan.id, CALL)
    busy.settle()
    row = busy.rows(PlanRow)[0]
    busy.engine.services.store.write(lambda tx: tx.swap(tx.get(PlanRow, row.id), ended=tx.now - 5))
    measure(busy, predictive=False, weights=Weights(memory=0.0))
    effect = busy.engine.drs.show(plan.id).body["effect"]
    assert effect["promised"] == pytest.approx(plan.body["before"] - plan.body["after"])
    assert effect["measured"] == pytest.approx(effect["promised"], rel=0.3), "the load is as it was"
    assert effect["hottest_after"] < effect["hottest_before"]


def test_a_vm_that_is_elsewhere_counts_neither_as_promised_nor_as_measured(busy: Sim) -> None:
    busy.engine.vms.migrate("vm-0", "h3", CALL, live=True)
    busy.settle()
    plan = worse(busy, ended=3700)
    measure(busy)
    effect = busy.engine.drs.show(plan.id).body["effect"]
    assert (effect["promised"], effect["measured"]) == (0.0, 0.0)


def test_a_plan_of_which_no_move_was_made_failed(busy: Sim) -> None:
    moves = (
        Move(
            vm_id=busy.vm("vm-0").id, vm="vm-0", source_id=1, source="h1", target_id=4711, target="gone",
            wave=0, gain=1.0, copy_mib=1.0, seconds=1.0, reason="test",
        ),
    )  # fmt: skip
    cluster = busy.rows(ClusterRow)[0]
    plan = DrsPlan(cluster_id=cluster.id, cluster="default", at=0.0, moves=moves, hosts=(), before=1.0, after=0.0)
    row = busy.engine.services.store.write(lambda tx: propose(tx, plan, DrsPolicy(), "tester"))
    busy.engine.drs.apply(row.id, CALL)
    busy.settle()
    assert busy.engine.drs.show(row.id).body["state"] == "failed"


def test_a_cluster_that_makes_trouble_holds_up_no_other(busy: Sim) -> None:
    first = busy.rows(ClusterRow)[0]
    busy.engine.clusters.create("second", CALL)
    second = next(row for row in busy.rows(ClusterRow) if row.name == "second")
    broken = {**first.body, "drs": {"mode": "no such mode"}}
    busy.engine.services.store.write(lambda tx: tx.swap(tx.get(ClusterRow, first.id), body=broken))
    busy.engine.drs.set("second", {**QUICK, "mode": "partial"}, CALL)
    loop = busy.engine._drs_loop
    until(lambda: loop.waits(second.id) == "there is no host", "a round of the second cluster", 30.0)
    assert "ValidationError" in loop.waits(first.id)


def test_a_vm_may_opt_out(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    for number in range(4):
        busy.engine.vms.update(f"vm-{number}", {"DRS": "NO"}, CALL)
    assert not busy.engine.drs.plan("default", CALL).body["moves"]


def test_rules_and_requirements_hold_for_moves_too(busy: Sim) -> None:
    busy.engine.drs.set("default", {**QUICK, "move_price": "0"}, CALL)
    for number in range(4):
        busy.engine.vms.update(f"vm-{number}", {"SCHED_REQUIREMENTS": 'NAME != "h2"'}, CALL)
    targets = {move["target"] for move in busy.engine.drs.plan("default", CALL).body["moves"]}
    assert targets == {"h3"}
    for number in range(4):
        busy.engine.vms.update(f"vm-{number}", {"SCHED_REQUIREMENTS": "CURRENT_VMS != 4711"}, CALL)
    assert not busy.engine.drs.plan("default", CALL).body["moves"], "what minds its company stays"


def test_a_host_that_is_evacuated_is_emptied_to_where_its_vms_do_best(busy: Sim) -> None:
    busy.engine.hosts.evacuate("h1", CALL)
    busy.settle()
    assert "h1" not in hosts(busy)
    works = busy.runs("vm-0") + busy.runs("vm-1")
    assert sorted(works) == ["h2", "h3"], "the two that work do not share a host"
    busy.assert_sound()

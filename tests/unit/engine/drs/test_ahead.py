"""What is known of former days moves a VM before its hour comes; new VMs are like their siblings; links are as they were."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from nebula import typed
from nebula.engine.drs.load import load
from nebula.engine.drs.outlook import Expected
from nebula.engine.drs.past import LINK_MIB
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.replay import replay
from nebula.engine.drs.settings import policy_of
from nebula.engine.drs.values import DrsSnapshot, Figures
from nebula.engine.drs.vms import siblings
from nebula.engine.forecast.outlook import Ahead
from nebula.engine.store.rows import ClusterRow, JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from tests.support.days import Use, daily, keep
from tests.support.sim import CALL, SETTINGS, Sim, sim_engine, until

QUICK = {"policy": "striping", "weights.memory": "0", "budget_share": "1", "patience": "1"}


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Sim]:
    """Three hosts; two VMs on h1, hardly anything to do."""
    with sim_engine(tmp_path / "home", shared=True) as made:
        for name in ("early", "late"):
            made.world.guests.order(name, profile="idle")
            made.add_vm(name, VCPU=4, CPU=1, HOST="h1")
        yield made


def remember(sim: Sim, use: Use) -> None:
    """Three days of both VMs."""
    keep(sim.engine.services.store, [vm.id for vm in sim.rows(VmRow)], use)


@pytest.mark.parametrize(("hours", "moves"), [(0.25, 1), (5.0, 0)])
def test_a_pattern_moves_a_vm_before_its_peak_and_not_hours_before(sim: Sim, hours: float, moves: int) -> None:
    remember(sim, daily(hours, 380.0))
    sim.engine.drs.set("default", QUICK, CALL)
    plan = sim.engine.drs.plan("default", CALL)
    assert len(plan.body["moves"]) == moves, plan.body
    forecast = sim.engine.drs.forecast("vm", "early").body["hour"]["cpu"]
    assert (forecast["peak"] > 200) == bool(moves)


@pytest.mark.parametrize(("writer", "quiet"), [("first", "second"), ("second", "first")])
def test_of_two_alike_the_one_that_writes_less_moves_before_their_hour(sim: Sim, writer: str, quiet: str) -> None:
    sim.world.guests.order(writer, profile="busy")
    for name in ("first", "second"):
        sim.add_vm(name, VCPU=4, CPU=1, HOST="h2")
    keep(sim.engine.services.store, [sim.vm(name).id for name in (writer, quiet)], daily(0.25, 380.0), memory=512.0)
    sim.engine.drs.set("default", QUICK, CALL)
    (move,) = sim.engine.drs.plan("default", CALL).body["moves"]
    assert (move["vm"], move["source"]) == (quiet, "h2")


def test_without_a_look_ahead_nothing_moves(sim: Sim) -> None:
    remember(sim, daily(0.25, 380.0))
    sim.engine.drs.set("default", {**QUICK, "predictive": "no"}, CALL)
    assert not sim.engine.drs.plan("default", CALL).body["moves"]


def test_former_days_are_read_before_the_first_plan_is_due(tmp_path: Path) -> None:
    slow = msgspec.structs.replace(SETTINGS, monitor_interval=300.0)
    with sim_engine(tmp_path / "home", settings=slow) as sim:
        keep(sim.engine.services.store, (1, 2), daily(5.0, 380.0))
        sim.engine.drs.set("default", {"mode": "full"}, CALL)
        learned = sim.engine.drs._planner._ahead
        assert isinstance(learned, Ahead)
        until(lambda: learned._roster.ids == [1, 2], "what is known of both", 60)
        assert sim.engine.drs.status()[0].body["waits"] == "", "no plan was made yet"


PACKING = {**QUICK, "policy": "packing", "cooldown": "0", "no_return": "0"}


def apart(sim: Sim) -> None:
    """The second one on a host of its own; both are measured, so neither's last slot counts as what it uses now."""
    sim.engine.vms.migrate("late", "h2", CALL, live=True)
    sim.settle()
    until(lambda: len(sim.engine.monitor.figures.newest("vm")) == len(("early", "late")), "figures of both")


@pytest.mark.parametrize(("shift", "moves"), [(1, 1), (0, 0)])
def test_packing_at_work_goes_by_what_vms_used_together(sim: Sim, shift: int, moves: int) -> None:
    apart(sim)
    late = sim.vm("late").id
    remember(sim, lambda vm, slot: 600.0 if (slot + shift * (vm == late)) % 2 else 60.0)
    sim.engine.drs.set("default", PACKING, CALL)
    plan = sim.engine.drs.plan("default", CALL).body
    assert len(plan["moves"]) == moves, plan
    assert len(plan["could_sleep"]) == 1 + moves


@pytest.mark.parametrize(("hours", "moves"), [(0.25, 0), (5.0, 1)])
def test_packing_at_work_knows_what_the_coming_hour_brings(sim: Sim, hours: float, moves: int) -> None:
    apart(sim)
    remember(sim, daily(hours, 1300.0))
    sim.engine.drs.set("default", PACKING, CALL)
    assert len(sim.engine.drs.plan("default", CALL).body["moves"]) == moves


def test_a_snapshot_has_the_last_hour_and_the_hosts_power_so_that_a_replay_decides_alike(sim: Sim) -> None:
    apart(sim)
    remember(sim, lambda vm, slot: float(slot % 7))
    sim.engine.hosts.update("h1", {"attributes": {"WATTS": "95, 120 180"}}, CALL)
    sim.engine.hosts.update("h2", {"attributes": {"WATTS": "plenty"}}, CALL)
    sim.engine.drs.set("default", PACKING, CALL)
    sim.engine.monitor.stop()  # what is measured between snapshot and plan may make the other VM the one to go
    body = sim.engine.drs.snapshot("default")
    found = typed.convert(body["snapshot"], DrsSnapshot)
    assert [host.watts for host in found.hosts] == [(95.0, 120.0, 180.0), (), ()]
    for vm in found.vms:
        assert vm.history[:-1] == pytest.approx([-back % 7 + 0.1 for back in range(10, -1, -1)], abs=0.02)
        assert 0 < vm.history[-1] < 50, "what is measured now"
    planned = sim.engine.drs.plan("default", CALL).body
    assert [(move.vm_id, move.target_id) for move in replay([body], {})[0].moves] == [
        (move["vm_id"], move["target_id"]) for move in planned["moves"]
    ]


def test_a_new_vm_is_expected_to_do_what_its_siblings_do(sim: Sim) -> None:
    vms = sim.rows(VmRow)
    known = Expected(Figures(50.0, 100.0), Figures(3.0, 4.0))
    assert siblings(vms, {vms[0].id: known}) == {vms[1].id: known}
    sim.engine.vms.poweroff("late", CALL)
    sim.settle()
    assert siblings(sim.rows(VmRow), {vms[0].id: known}) == {}, "what is off uses nothing"


def _insert(job: JobRow, tx: Transaction) -> None:
    tx.insert(job)


class _Nobody:
    def expected(self, vms: object, now: float) -> dict[int, Expected]:
        return {}


def test_the_link_is_what_past_migrations_got_and_a_vm_goes_as_its_own_went(sim: Sim) -> None:
    cluster = sim.rows(ClusterRow)[0]
    store = sim.engine.services.store
    early, late = (sim.vm(name).id for name in ("early", "late"))

    def seen() -> tuple[float, dict[int, float]]:
        found = load(store.read(), cluster, policy_of(cluster), _Nobody(), 1e9, shared={1})
        return found.link_mib, {vm.id: vm.past_mib for vm in found.vms}

    assert seen() == (LINK_MIB, {early: 0.0, late: 0.0})
    for seconds in (40.0, 1.0, 2.0, 4.0):
        job = JobRow(
            kind="vm.migrate-live", target_kind="vm", target_id=early, state="done", total=400 << 20, started=100.0,
            ended=100.0 + seconds,
        )  # fmt: skip
        store.write(partial(_insert, job))
    assert seen() == (150.0, {early: 200.0, late: 0.0}), "its latest three"


def test_disks_and_cards_count_where_all_hosts_say_what_they_have(sim: Sim) -> None:
    cluster = sim.rows(ClusterRow)[0]
    store = sim.engine.services.store
    for name in ("h1", "h2", "h3"):
        sim.engine.hosts.update(name, {"attributes": {"NET_BANDWIDTH": "110", "DISK_BANDWIDTH": "fast"}}, CALL)
    found = load(store.read(), cluster, DrsPolicy(), _Nobody(), 1e9, shared=set())
    assert {host.capacity.network for host in found.hosts} == {110.0}
    assert {host.capacity.disk for host in found.hosts} == {0.0}

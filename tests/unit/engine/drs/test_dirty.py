"""What a guest writes while it is copied is copied again: it is measured where it decides, and makes a move dearer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.sim.load import Profile
from nebula.engine.drs.copying import copied, effort, seconds
from nebula.engine.drs.dirty import with_rates
from nebula.engine.drs.policy import Weights
from nebula.engine.drs.rebalance import rebalance
from tests.support.sim import CALL, SETTINGS, Sim, sim_engine, until
from tests.unit.engine.drs.clusters import EAGER, cluster, host, vm

PROFILES: tuple[Profile, ...] = ("busy", "busy", "idle", "idle")
QUICK = {"policy": "striping", "weights.memory": "0", "budget_share": "1", "predictive": "no"}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Sim]:
    """Three hosts; four VMs on h1, two of them at work."""
    fast = msgspec.structs.replace(SETTINGS, monitor_interval=0.1)
    with sim_engine(tmp_path / "home", settings=fast, shared=True) as sim:
        for number, profile in enumerate(PROFILES):
            sim.world.guests.order(f"vm-{number}", profile=profile)
            sim.add_vm(f"vm-{number}", VCPU=2, CPU=1, HOST="h1")
        until(lambda: all(len(sim.engine.monitor.figures.rows("vm", sim.vm(f"vm-{n}").id)) > 3 for n in range(4)), "figures")
        yield sim


def test_of_two_alike_the_one_that_writes_less_is_moved() -> None:
    hosts, policy = [host(1), host(2)], msgspec.structs.replace(EAGER, weights=Weights(memory=0.0))
    for writer, quiet in ((1, 2), (2, 1)):
        made = cluster(hosts, [vm(number, 1, 400, 4000) for number in (1, 2)])
        assert [move.vm_id for move in rebalance(with_rates(made, {writer: 60.0}), policy).moves] == [quiet]


def test_a_move_says_what_it_copies_and_how_long_that_takes() -> None:
    made = cluster([host(1), host(2)], [vm(number, 1, 400, 4000, dirty_mib=50.0) for number in (1, 2)], link_mib=100.0)
    (move,) = rebalance(made, EAGER).moves
    assert (move.copy_mib, move.seconds) == (8000.0, 80.0)


def test_of_two_alike_the_one_whose_migrations_went_faster_is_moved() -> None:
    hosts, policy = [host(1), host(2)], msgspec.structs.replace(EAGER, weights=Weights(memory=0.0))
    for slow, fast in ((1, 2), (2, 1)):
        vms = [vm(number, 1, 400, 4000, past_mib=50.0 if number == slow else 90.0) for number in (1, 2)]
        (move,) = rebalance(cluster(hosts, vms, link_mib=100.0), policy).moves
        assert (move.vm_id, move.copy_mib, move.seconds) == (fast, 4000.0, 44.4)


def test_of_two_that_help_alike_the_one_with_less_to_do_is_moved() -> None:
    hosts = [host(1), host(2)]
    for busy, calm in ((1, 2), (2, 1)):
        vms = [vm(number, 1, 600 if number == busy else 400, 4000) for number in (1, 2)]
        (move,) = rebalance(cluster(hosts, vms), msgspec.structs.replace(EAGER, weights=Weights(memory=0.0))).moves
        assert move.vm_id == calm


_ANY = st.floats(0, 1e9)


@given(_ANY, _ANY, _ANY, st.floats(0, 1e12))
def test_the_copy_comes_to_an_end_and_is_never_less_than_what_there_is(
    link: float, rate: float, past: float, memory: float
) -> None:
    one = vm(1, 1, copy_mib=memory, dirty_mib=rate, past_mib=past)
    assert memory <= copied(one, link) <= effort(one, link) <= 5.001 * memory
    assert seconds(one, link) <= effort(one, link)


def test_only_what_would_move_is_measured(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    busy.engine.vms.update("vm-1", {"DRS": "NO"}, CALL)
    planner = busy.engine._drs_loop._planner
    assert planner._dirty.known() == {}
    plan = busy.engine.drs.plan("default", CALL).body
    measured = planner._dirty.known()
    assert {move["vm_id"] for move in plan["moves"]} <= measured.keys()
    assert busy.vm("vm-1").id not in measured
    assert measured[busy.vm("vm-0").id] > 5
    shown = {vm["id"]: vm.get("dirty_mib", 0) for vm in busy.engine.drs.snapshot("default")["snapshot"]["vms"]}
    assert {number: rate for number, rate in shown.items() if rate} == measured


def test_a_host_that_does_not_say_hinders_no_plan(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    busy.world.faults.error("h1", "hypervisor.dirty_rates", "unreachable", times=9)
    assert busy.engine.drs.plan("default", CALL).body["moves"]


def test_what_was_not_measured_is_no_rate_and_is_asked_again(busy: Sim) -> None:
    busy.engine.drs.set("default", QUICK, CALL)
    busy.world.faults.error("h1", "hypervisor.dirty_rates", "unreachable", times=9)
    moved = [move["vm_id"] for move in busy.engine.drs.plan("default", CALL).body["moves"]]
    dirty = busy.engine._drs_loop._planner._dirty
    assert dirty.known() == {}
    assert {rate.until() - rate.at for vm, rate in dirty._known.items() if vm in moved} == {60.0}

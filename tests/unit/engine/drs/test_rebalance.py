"""What plans are for: hot hosts cool down, few VMs move, hosts that must be left are emptied."""

from __future__ import annotations

import msgspec
import pytest

from nebula.engine.drs.policy import DrsPolicy, Weights
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.values import DrsPlan, Figures
from tests.unit.engine.drs.clusters import EAGER, cluster, host, vm


def hottest(plan: DrsPlan) -> float:
    return max(load.after.cpu for load in plan.hosts)


def test_a_hot_host_gives_away_what_helps_and_says_why() -> None:
    plan = rebalance(cluster([host(1), host(2)], [vm(1, 1, 450), vm(2, 1, 450)]), EAGER)
    assert [(move.source, move.target) for move in plan.moves] == [("h1", "h2")]
    assert plan.moves[0].reason == "cpu of h1 90%, limit 48%; h2 0%"
    assert hottest(plan) == 0.45
    assert plan.after < plan.before
    assert plan.why_not == ""


def test_a_balanced_cluster_rests_and_says_so() -> None:
    plan = rebalance(cluster([host(1), host(2)], [vm(1, 1), vm(2, 2)]), EAGER)
    assert plan.moves == ()
    assert plan.why_not.startswith("balanced (hottest: ")


def test_load_aware_moves_nothing_before_it_hurts() -> None:
    policy = msgspec.structs.replace(EAGER, policy="load-aware")
    mild = cluster([host(1), host(2)], [vm(1, 1, 350), vm(2, 1, 350)])
    assert rebalance(mild, policy).moves == ()
    hot = cluster([host(1), host(2)], [vm(1, 1, 450), vm(2, 1, 450)])
    assert len(rebalance(hot, policy).moves) == 1


def test_what_may_come_counts_not_only_what_is() -> None:
    shaky = [vm(n, 1, 200, spread=Figures(200.0, 0.0)) for n in (1, 2, 3)]
    policy = msgspec.structs.replace(EAGER, policy="load-aware")
    assert len(rebalance(cluster([host(1), host(2)], shaky), policy).moves) == 1
    blind = msgspec.structs.replace(policy, predictive=False)
    assert rebalance(cluster([host(1), host(2)], shaky), blind).moves == ()


def test_two_vms_change_places_where_none_has_room() -> None:
    full = [vm(1, 1, 600, 4000), vm(2, 1, 300, 4000), vm(3, 2, 50, 4000), vm(4, 2, 50, 4000)]
    plan = rebalance(cluster([host(1), host(2), host(3, takes=False)], full), EAGER)
    assert plan.moves == (), "no host has room for both ends at once"
    roomy = cluster([host(1), host(2), host(3, memory_max=4000, capacity=Figures(1000.0, 10_000.0))], full)
    plan = rebalance(roomy, msgspec.structs.replace(EAGER, weights=Weights(cpu=1.0, memory=0.0)))
    assert hottest(plan) < 0.7


def test_packing_empties_hosts_and_says_which_could_sleep() -> None:
    policy = msgspec.structs.replace(EAGER, policy="packing")
    plan = rebalance(cluster([host(1), host(2), host(3)], [vm(1, 1, 300), vm(2, 2, 200), vm(3, 3, 100)]), policy)
    assert len(plan.could_sleep) == 2
    assert max(load.after.cpu for load in plan.hosts) <= policy.ceiling
    assert all("can be emptied" in move.reason for move in plan.moves)


def test_a_host_in_maintenance_is_emptied_whatever_the_budget() -> None:
    policy = DrsPolicy(budget_share=0.0)
    hosts = [host(1, leave="maintenance", takes=False), host(2), host(3)]
    vms = [vm(n, 1, fixed="it came 2 minutes ago", left=(2,)) for n in range(1, 5)]
    plan = rebalance(cluster(hosts, vms, together=((1, 2),)), policy, only_forced=True)
    assert sorted(move.vm_id for move in plan.moves) == [1, 2, 3, 4]
    assert {move.reason for move in plan.moves} == {"h1 is to be left: maintenance"}
    assert plan.stranded == ()


def test_what_cannot_leave_is_said() -> None:
    hosts = [host(1, leave="maintenance"), host(2, memory_max=1000)]
    plan = rebalance(cluster(hosts, [vm(1, 1, memory=900), vm(2, 1, memory=2000)]), EAGER, only_forced=True)
    assert [move.vm_id for move in plan.moves] == [1]
    assert plan.stranded == ((2, "no host of the cluster can take it"),)


SNAPSHOTS = "disk 0 has snapshots on storage of its host"


def test_what_no_migration_takes_away_stays_and_that_is_said() -> None:
    vms = [vm(1, 1, 450, bound=SNAPSHOTS), vm(2, 1, 450)]
    plan = rebalance(cluster([host(1), host(2)], vms), EAGER)
    assert [move.vm_id for move in plan.moves] == [2]
    assert plan.staying == ((1, SNAPSHOTS),)
    assert rebalance(cluster([host(1), host(2)], [vm(1, 1, bound=SNAPSHOTS), vm(2, 2)]), EAGER).staying == (), "nobody asked"


def test_an_emptied_host_keeps_what_no_migration_takes_away() -> None:
    hosts = [host(1, leave="maintenance"), host(2)]
    plan = rebalance(cluster(hosts, [vm(1, 1, bound=SNAPSHOTS), vm(2, 1)]), EAGER, only_forced=True)
    assert ([move.vm_id for move in plan.moves], plan.staying, plan.stranded) == ([2], ((1, SNAPSHOTS),), ())


def test_packing_empties_no_host_that_something_stays_on() -> None:
    vms = [vm(1, 1), vm(2, 1), vm(3, 2, bound=SNAPSHOTS), vm(4, 2)]
    plan = rebalance(cluster([host(1), host(2)], vms), PACKING)
    assert {(move.source, move.target) for move in plan.moves} == {("h1", "h2")}
    assert plan.could_sleep == ("h1",)


def test_a_small_gain_is_not_worth_a_plan() -> None:
    snapshot = cluster([host(1), host(2)], [vm(1, 1, 300), vm(2, 1, 300), vm(3, 2, 250)])
    assert rebalance(snapshot, EAGER).moves
    assert rebalance(snapshot, msgspec.structs.replace(EAGER, least_gain=1.0)).moves == ()


def test_a_full_cluster_is_not_evened_out_within_the_tolerance() -> None:
    policy = DrsPolicy(budget_share=1.0)
    vms = [*(vm(n, 1, 86.0) for n in range(1, 11)), *(vm(n, 2, 84.0) for n in range(11, 21))]
    assert rebalance(cluster([host(1), host(2)], vms), policy).moves == ()
    small, large = (rebalance(cluster([host(1), host(2)], [*vms, vm(21, 1, 100.0, mib)]), policy) for mib in (100, 5000))
    assert [move.vm_id for move in small.moves] == [21], "96 % beside 84 %"
    assert 21 not in [move.vm_id for move in large.moves], "a small excess is no reason to copy a large VM"


def test_an_empty_cluster_has_nothing_to_move() -> None:
    assert rebalance(cluster([host(1)], []), EAGER).why_not == "no VM runs here"
    assert rebalance(cluster([], []), EAGER).moves == ()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    vms = [vm(n, 1 + (n * n) % 3, cpu=(37 * n) % 300, memory=200 + 50 * (n % 7)) for n in range(1, 20)]
    snapshot = cluster([host(n) for n in range(1, 5)], vms)
    assert rebalance(snapshot, EAGER, seed=seed) == rebalance(snapshot, EAGER, seed=seed)


def test_a_host_that_was_never_reached_hides_nothing() -> None:
    unknown = host(3, capacity=Figures(), cpu_max=0, memory_max=0, takes=False)
    plan = rebalance(cluster([host(1), host(2), unknown], [vm(1, 1, 450), vm(2, 1, 450)]), EAGER)
    assert [(move.source, move.target) for move in plan.moves] == [("h1", "h2")]
    assert [load.host for load in plan.hosts] == ["h1", "h2"]


def test_where_no_host_says_what_it_has_nothing_is_planned() -> None:
    blank = [host(n, capacity=Figures()) for n in (1, 2)]
    plan = rebalance(cluster(blank, [vm(1, 1)]), EAGER)
    assert (plan.moves, plan.why_not, plan.could_sleep) == ((), "what its hosts have is not known yet", ())


def test_loads_that_stay_on_a_closed_host_are_no_reason_to_tolerate_more_elsewhere() -> None:
    busy = [vm(1, 1, 300), vm(2, 1, 300)]
    lost = [vm(n, 3, 500, fixed="it is UNKNOWN") for n in (3, 4)]
    plan = rebalance(cluster([host(1), host(2), host(3, takes=False)], [*busy, *lost]), EAGER)
    assert [(move.source, move.target) for move in plan.moves] == [("h1", "h2")]
    assert "limit 32%" in plan.moves[0].reason, "half of 60 %, and the tolerance"


WATTS = (90.0, 110.0, 130.0)
PACKING = DrsPolicy(policy="packing", budget_share=1.0)


def test_packing_by_history_sees_that_peaks_do_not_meet() -> None:
    hosts = [host(1, watts=WATTS), host(2, watts=WATTS)]
    high, low = (600.0, 100.0) * 6, (100.0, 600.0) * 6
    vms = [vm(1, on=1, cpu=350.0, history=high), vm(2, on=2, cpu=350.0, history=low)]
    found = rebalance(cluster(hosts, vms), PACKING)
    assert [(move.vm_id, len(found.could_sleep)) for move in found.moves] in ([(1, 1)], [(2, 1)])
    vms = [vm(1, on=1, cpu=350.0, history=high), vm(2, on=2, cpu=350.0, history=high)]
    assert rebalance(cluster(hosts, vms), PACKING).moves == ()


def test_packing_by_history_keeps_the_ceiling_and_the_budget() -> None:
    hosts = [host(number, watts=WATTS) for number in range(1, 6)]
    vms = [vm(number, on=(number - 1) % 5 + 1, cpu=150.0, history=(150.0,) * 12) for number in range(1, 11)]
    found = rebalance(cluster(hosts, vms), msgspec.structs.replace(PACKING, budget_share=0.2))
    assert len(found.moves) == 2
    assert max(load.after.cpu for load in found.hosts) <= 0.8


def test_without_a_history_of_all_packing_goes_by_expectations() -> None:
    hosts = [host(1, watts=WATTS), host(2, watts=WATTS)]
    vms = [vm(1, on=1, cpu=200.0, history=(200.0,) * 12), vm(2, on=2, cpu=100.0)]
    assert [move.vm_id for move in rebalance(cluster(hosts, vms), PACKING).moves] == [2]

"""Packing by joint history: what it never does, whatever the fleet, and what it sees that sums do not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.drs.consolidate import Packing, consolidate
from nebula.engine.drs.joint import Fleet, Joint
from nebula.engine.drs.problem import Floats


def fleet(history: Floats, at: list[int], hosts: int, **other: object) -> Fleet:
    count = len(history)
    values: dict[str, object] = {
        "capacity": np.full(hosts, 10.0),
        "single": np.full(hosts, 10.0),
        "watts": np.tile([90.0, 110.0, 130.0], (hosts, 1)),
        "history": history,
        "at": np.array(at, dtype=np.int64),
        "promised_capacity": np.full((hosts, 1), 8.0),
        "promised": np.ones((count, 1)),
        "price": np.ones(count),
        "movable": np.ones(count, dtype=np.bool_),
        "open": np.ones(hosts, dtype=np.bool_),
        **other,
    }
    return Fleet(**values)  # type: ignore[arg-type]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    hosts, count = draw(st.integers(2, 8)), draw(st.integers(1, 24))
    history = random.lognormal(-0.5, 1.0, (count, draw(st.integers(1, 12))))
    at = np.arange(count) % hosts
    pairs = tuple((a, a + 1) for a in range(0, count - 1, 4) if at[a] != at[a + 1])
    allowed = random.random((count, hosts)) < 0.8
    allowed[np.arange(count), at] = True
    return fleet(
        history,
        at.tolist(),
        hosts,
        movable=random.random(count) < 0.9,
        open=random.random(hosts) < 0.9,
        allowed=allowed,
        apart=pairs,
        price=random.random(count) + 0.1,
    )


@given(fleets(), st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_a_plan_keeps_every_rule(made: Fleet, budget: int) -> None:
    moves = consolidate(made, Packing(share=1.0), budget=budget)
    after = made.at.copy()
    for vm, host in moves:
        assert made.movable[vm]
        assert made.open[host]
        assert made.allowed is not None
        assert made.allowed[vm, host]
        after[vm] = host
    assert len(moves) <= budget
    taken = np.bincount(after, made.promised[:, 0], len(made.capacity))
    assert all(taken[host] <= 8.0 for _, host in moves)
    assert all(after[one] != after[other] for one, other in made.apart)


@given(fleets())
@settings(max_examples=50, deadline=None)
def test_the_same_fleet_gives_the_same_plan(made: Fleet) -> None:
    assert consolidate(made, Packing()) == consolidate(made, Packing())


@given(fleets())
@settings(max_examples=50, deadline=None)
def test_what_is_kept_up_to_date_is_what_a_fresh_look_gives(made: Fleet) -> None:
    joint = Joint(made)
    for vm, host in consolidate(made, Packing(share=1.0)):
        joint.shift(vm, host)
    moved = {name: getattr(made, name) for name in Fleet.__dataclass_fields__} | {"at": joint.at}
    fresh = Joint(Fleet(**moved))
    assert np.allclose(joint.level(1.0), fresh.level(1.0))
    assert np.allclose(joint.taken, fresh.taken)
    assert joint.on == fresh.on


def test_vms_that_are_busy_at_different_times_share_a_host() -> None:
    high, low = [7.0, 1.0] * 6, [1.0, 7.0] * 6
    apart = consolidate(fleet(np.array([high, low]), [0, 1], 2), Packing(doubt=0.0))
    together = consolidate(fleet(np.array([high, high]), [0, 1], 2), Packing(doubt=0.0))
    assert len(apart) == 1
    assert together == []


def test_a_host_is_emptied_whole_or_not_at_all() -> None:
    history = np.full((3, 6), 4.0)
    assert consolidate(fleet(history, [0, 1, 1], 2), Packing()) == []
    assert consolidate(fleet(history[:2], [0, 1], 2), Packing()) != []


def test_a_shortage_that_stays_is_relieved_and_one_that_passes_is_not() -> None:
    steady, spike = np.full((2, 12), 6.0), np.full((2, 12), 2.0)
    spike[:, -1] = 5.5
    assert len(consolidate(fleet(steady, [0, 0], 2), Packing())) == 1
    assert consolidate(fleet(spike, [0, 0], 2), Packing()) == []


def test_the_hungrier_host_is_emptied() -> None:
    watts = np.array([[150.0, 170.0, 190.0], [90.0, 110.0, 130.0]])
    assert consolidate(fleet(np.full((2, 6), 2.0), [0, 1], 2, watts=watts), Packing()) == [(0, 1)]


def test_what_saves_too_little_for_its_moves_is_left() -> None:
    assert consolidate(fleet(np.full((2, 6), 2.0), [0, 1], 2), Packing(least_watts=200.0)) == []


def test_a_host_is_emptied_at_a_quiet_moment() -> None:
    quiet = np.array([[2.0, 2.0, 2.0, 2.0, 2.0, 1.0], [3.0] * 6])
    assert consolidate(fleet(quiet, [0, 1], 2), Packing()) != []
    busy = np.array([[1.0, 2.0, 2.0, 2.0, 2.0, 2.0], [2.0, 3.0, 3.0, 3.0, 3.0, 3.0]])
    assert consolidate(fleet(busy, [0, 1], 2), Packing()) == []

"""Files as hostile hands write them: a plan, or one refusal."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.replay import replay
from nebula.errors import UsageError
from tests.unit.engine.drs.clusters import EAGER, cluster, host, vm

ABSURD: st.SearchStrategy[Any] = st.sampled_from(
    [math.nan, math.inf, -math.inf, -1, -1e300, 1e300, 1e12, 1e-300, 0, 10**30, True, None, "", "x" * 1000, [], {}, [1] * 4]
)


def body() -> dict[str, Any]:
    """Two hosts, of which one is hot."""
    snapshot = cluster([host(1), host(2)], [vm(n, 1, cpu=300.0) for n in (1, 2, 3)])
    made: dict[str, Any] = msgspec.to_builtins({"snapshot": snapshot, "policy": EAGER})
    return made


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return [path, *(deeper for key, part in pairs for deeper in places(part, (*path, key)))]


DOCUMENT = json.dumps(body())
PLACES = [path for path in places(json.loads(DOCUMENT)) if path]


def test_a_snapshot_is_planned() -> None:
    assert [(move.source, move.target) for move in replay([body()], {})[0].moves] == [("h1", "h2")]


def test_in_a_series_vms_are_where_the_plan_before_put_them() -> None:
    assert [bool(plan.moves) for plan in replay([body(), body()], {})] == [True, False]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ABSURD), min_size=1, max_size=3))
def test_absurd_parts_are_planned_or_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = json.loads(DOCUMENT)
    for path, value in changes:
        part = document
        try:
            for key in path[:-1]:
                part = part[key]
            part[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    try:
        plans = replay([document], {})
    except UsageError:
        return
    for load in plans[0].hosts:
        assert all(math.isfinite(share) for share in (*load.before, *load.after))


@pytest.mark.parametrize(
    ("hosts", "vms", "words"),
    [
        ([1, 1], [1], "a host's id is there twice"),
        ([1], [1, 1], "a VM's id is there twice"),
        ([2], [1], "VM 1 is on host 1, which is not there"),
    ],
)
def test_what_cannot_be_is_named(hosts: list[int], vms: list[int], words: str) -> None:
    found = {"snapshot": msgspec.to_builtins(cluster([host(n) for n in hosts], [vm(n, 1) for n in vms]))}
    with pytest.raises(UsageError, match="number 2 of 2 is no snapshot of a cluster: " + words):
        replay([body(), found], {})


def test_what_would_take_all_memory_is_refused() -> None:
    snapshot = msgspec.to_builtins(cluster([host(n) for n in range(1, 201)], []))
    one = msgspec.to_builtins(vm(1, 1))
    snapshot["vms"] = [one] * 300_000
    with pytest.raises(UsageError, match="200 hosts with 300000 VMs are too many"):
        replay([{"snapshot": snapshot}], {})


def test_unknown_settings_and_nonsense_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown field `colour`"):
        replay([{**body(), "policy": {"colour": "red"}}], {})
    with pytest.raises(UsageError, match="coverage 7 is out of range"):
        replay([{**body(), "policy": msgspec.to_builtins(DrsPolicy(coverage=7.0))}], {})
    with pytest.raises(UsageError, match="this is no snapshot"):
        replay([{"hosts": []}], {})

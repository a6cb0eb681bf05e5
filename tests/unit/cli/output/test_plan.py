"""Plans, balance and forecasts as people read them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.cli.output.plan import forecast_lines, plan_lines, status_lines
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan, Figures, HostLoad, Move

NOW = 1_000_000.0
DAY = 86_400.0


def body(**more: Any) -> dict[str, Any]:
    """One move between two hosts."""
    move = Move(
        vm_id=7, vm="web\x1b[31m", source_id=1, source="h1", target_id=2, target="h2", wave=0, gain=0.25, copy_mib=1536.0,
        seconds=95.0, reason="cpu of h1 90%, limit 48%; h2 0%",
    )  # fmt: skip
    loads = (
        HostLoad(host_id=1, host="h1", before=Figures(0.9, 0.1), after=Figures(0.45, 0.1), vms_before=2, vms_after=1),
        HostLoad(host_id=2, host="h2", before=Figures(0.0, 0.1), after=Figures(0.45, 0.1), vms_before=0, vms_after=1),
    )
    plan = DrsPlan(cluster_id=1, cluster="lab", at=NOW, moves=(move,), hosts=loads, before=0.3, after=0.05)
    made: dict[str, Any] = {"plan": 3, **msgspec.to_builtins(plan), **more}
    return made


def test_a_plan_shows_each_move_and_every_host() -> None:
    assert list(plan_lines(body(state="proposed"), NOW, 0)) == [
        "plan 3 for cluster lab, proposed: 1 move, 1.5G to copy, imbalance 0.3000 to 0.0500",
        "",
        "MOVE  WAVE  VM        FROM  TO  COPY  TIME   GAIN    REASON",
        "   1     1  web�[31m  h1    h2  1.5G  1m35s  0.2500  cpu of h1 90%, limit 48%; h2 0%",
        "",
        "HOST  CPU        MEMORY  VMS",
        "h1    90% > 45%  10%     2 > 1",
        "h2    0% > 45%   10%     0 > 1",
    ]


def test_reasons_are_told_also_where_there_is_little_room() -> None:
    assert list(plan_lines(body(), NOW, 60))[2:6] == [
        "MOVE  WAVE  VM        FROM  TO  COPY  TIME   GAIN",
        "   1     1  web�[31m  h1    h2  1.5G  1m35s  0.2500",
        "      cpu of h1 90%, limit 48%; h2 0%",
        "",
    ]


def test_what_cannot_move_and_what_came_of_it_stand_below() -> None:
    effect = {"promised": 0.25, "measured": 0.2, "hottest_before": 0.9, "hottest_after": 0.5, "at": NOW}
    bound = {"before": 0.9, "plan": 0.45, "bound": 0.45, "proven": True}
    more = {
        "moves": [],
        "hosts": [],
        "why_not": "no move helps",
        "stranded": [[9, "no room"]],
        "staying": [[8, "it has snapshots"]],
        "could_sleep": ["h3", "h4"],
    }
    assert list(
        plan_lines(body(plan=0, **more, effect=effect, helped="yes", bound=bound, message="1 of 2\nmoves"), NOW, 80)
    ) == [
        "plan for cluster lab: 0 moves, 0B to copy, imbalance 0.3000",
        "nothing to move: no move helps",
        "VM 9 must leave its host and cannot: no room",
        "VM 8 stays: it has snapshots",
        "could sleep: h3, h4",
        "1 of 2 moves",
        "effect: promised 0.2500, measured 0.2000; hottest load 90% > 50%; it helped",
        "hottest loads, weighted: 0.9000 now, 0.4500 planned, 0.4500 proven optimum",
    ]


def test_a_cluster_s_balance_ends_with_its_settings() -> None:
    settings = msgspec.to_builtins(DrsPolicy(quiet_hours=("22:00-06:00",), predictive=False))
    last = {"plan": 3, "state": "done", "moves_planned": 2, "created": NOW - 3700}
    status = {
        "cluster": "lab", "hosts": 2, "hottest_load": 0.5, "objective": 0.125, "waits": "plan 4 is under way",
        "last_plan": last, "settings": settings,
    }  # fmt: skip
    lines = list(status_lines(status, NOW, 80))
    assert lines[:2] == [
        "cluster lab: load-aware, manual; 2 hosts, hottest load 50%, imbalance 0.1250; plan 4 is under way",
        "last plan: 3, done, 2 moves, 1h1m ago",
    ]
    assert [line.split()[0] for line in lines[2:]] == list(settings)
    assert "  weights       cpu=1  memory=0.5  disk=0.25  network=0.25" in lines
    assert {"  quiet_hours   22:00-06:00", "  blackout_days -", "  predictive    no"} <= set(lines)


def test_the_coming_hour_has_a_mean_and_a_peak() -> None:
    hour = {name: {"mean": 150.0, "peak": 200.0} for name in ("cpu", "memory", "disk")}
    assert list(forecast_lines({"kind": "vm", "name": "web", "hour": hour}, NOW, 80)) == [
        "vm web, the coming hour:",
        "  cpu      1.50 cores, peak 2.00 cores",
        "  memory   150.0M, peak 200.0M",
        "  disk     150.0M/s, peak 200.0M/s",
    ]
    shares = {"cpu": {"mean": 0.4, "peak": 0.55}}
    assert list(forecast_lines({"kind": "host", "name": "h1", "hour": shares}, NOW, 80))[1] == "  cpu      40%, peak 55%"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((None, None, None, 2), "cpu: not known yet (from 2 days of measurements)"),
        ((None, None, None, 9), "cpu is not full within a year (from 9 days of measurements)"),
        (
            (None, 20.5 * DAY, None, 9),
            "cpu is not full within a year, 1970-01-21 at the earliest (from 9 days of measurements)",
        ),
        (
            (30.5 * DAY, 20.5 * DAY, 40.5 * DAY, 9),
            "cpu is full on 1970-01-31, between 1970-01-21 and 1970-02-10 (from 9 days of ",
        ),
        ((30.5 * DAY, 20.5 * DAY, None, 9), "cpu is full on 1970-01-31, between 1970-01-21 and later than a year (from 9 days"),
    ],
)
def test_when_a_cluster_is_full(found: tuple[float | None, float | None, float | None, int], words: str) -> None:
    full = dict(zip(("full", "earliest", "latest", "days"), found, strict=True))
    lines = list(forecast_lines({"kind": "cluster", "name": "lab", "cpu": full, "memory": full}, NOW, 80))
    assert lines[0].startswith(f"cluster lab: {words}")

"""Two weeks of real VMs on 4 to 10 hosts: VM-time short of CPU, host-hours, GiB copied; ours, hbal, a rule like Proxmox's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from benchkit import hbal, traces
from benchkit.figure import Figure
from benchkit.movers import Coefficient, Hourly, Nobody, Outlook, Planner
from benchkit.small_cluster import Cluster, Mover, Outcome, Run
from benchkit.suite import Bench
from nebula.engine.drs.policy import DrsPolicy

NEEDS_DATA = True
NEEDS_PROGRAM = False
SIZES = ((4, 40), (7, 70), (10, 100))
_DAY, _DAYS, _WARM_DAYS = 288, 14, 4
_SECONDS, _WARM_SECONDS = 150.0, 6.0
"""Of one processor for a quiet day of all sizes and all who decide, and for a day that is only learned from."""
POLICIES: tuple[Literal["load-aware", "striping", "packing"], ...] = ("load-aware", "packing", "striping")


def run(bench: Bench) -> Iterator[Figure]:
    """Every size with all who decide; `--days N` ends after N of the 14 days."""
    if not hbal.installed():
        bench.say("hbal is not installed (apt install ganeti-htools): it is left out")
    days = min(bench.days or _DAYS, _DAYS)
    bench.say(f"{days} of {_DAYS} days: {_minutes(days):.0f} min of one processor at least; --days 1 takes {_minutes(1):.0f}")
    for hosts, vms in SIZES:
        drawn = traces.bitbrains_vms(bench.data, vms, (_DAYS + _WARM_DAYS) * _DAY, bench.seed)
        cluster = Cluster.of(drawn.demand, drawn.promised, hosts, _WARM_DAYS * _DAY, bench.seed).first(days * _DAY)
        yield from _side_by_side(f"{hosts} hosts/{vms} VMs, {days} days, seed {bench.seed}", cluster, days, bench)


def _side_by_side(name: str, cluster: Cluster, days: int, bench: Bench) -> Iterator[Figure]:
    """All who decide, day by day: what was found so far is said after each, as the whole may take an hour."""
    runs = {word: (mover, Run(cluster)) for word, mover in _movers(cluster, bench).items()}
    for day in range(1, days + 1):
        for word, (mover, run) in runs.items():
            began = time.process_time()
            run.go(mover, _DAY)
            bench.say(f"{name}, {word}, after day {day}: {_words(run.outcome)} ({time.process_time() - began:.0f} s)")
    for word, (_, run) in runs.items():
        yield from _figures(f"{name}, {word}", run.outcome)


def _words(found: Outcome) -> str:
    moves = f"{found.moves} moves, {found.gib:.1f} GiB, {found.returns} back"
    return f"short {found.short:.3f} %, {found.host_hours:.0f} host hours, {moves}"


def _minutes(days: int) -> float:
    """What all sizes take at least: a day on which hosts are short takes a planner many times as long as a quiet one."""
    return (_WARM_SECONDS * _WARM_DAYS + _SECONDS * days) / 60


def _movers(cluster: Cluster, bench: Bench) -> dict[str, Mover]:
    outlook = Outlook(cluster, bench.seed)
    found: dict[str, Mover] = {"no DRS": Nobody()}
    if hbal.installed():
        found["hbal hourly"] = Hourly(bench.scratch)
    found["coefficient of variation"] = Coefficient()
    for policy in POLICIES:
        found[f"ours, {policy}"] = Planner(DrsPolicy(policy=policy, mode="full"), outlook)
    return found


def _figures(name: str, outcome: Outcome) -> Iterator[Figure]:
    yield Figure(f"{name}: VM-time short of CPU", "%", [outcome.short])
    yield Figure(f"{name}: hosts in use", "h", [outcome.host_hours])
    yield Figure(f"{name}: copied", "GiB", [outcome.gib], f"{outcome.moves} moves")
    yield Figure(f"{name}: VMs back within 2 h", "", [float(outcome.returns)])

"""Two weeks of real VMs on 4 to 10 hosts: VM-time short of CPU, host-hours, GiB copied; ours, hbal, a rule like Proxmox's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from benchkit import hbal, traces
from benchkit.figure import Figure
from benchkit.movers import Coefficient, Hourly, Nobody, Outlook, Planner
from benchkit.small_cluster import Cluster, Mover, Outcome, Run
from benchkit.suite import Bench
from nebula.engine.drs.policy import DrsPolicy

NEEDS_DATA = True
SIZES = ((4, 40), (7, 70), (10, 100))
_DAY, _DAYS, _WARM_DAYS = 288, 14, 4
POLICIES: tuple[Literal["load-aware", "striping", "packing"], ...] = ("load-aware", "striping", "packing")


def run(bench: Bench) -> Iterator[Figure]:
    """Every size with all who decide."""
    if not hbal.installed():
        print("hbal is not installed (apt install ganeti-htools): it is left out", file=sys.stderr)
    for hosts, vms in SIZES:
        drawn = traces.bitbrains_vms(bench.data, vms, (_DAYS + _WARM_DAYS) * _DAY, bench.seed)
        cluster = Cluster.of(drawn.demand, drawn.promised, hosts, _WARM_DAYS * _DAY, bench.seed)
        for name, make in _movers(cluster, bench).items():
            yield from _figures(f"{hosts} hosts/{vms} VMs, seed {bench.seed}, {name}", Run(cluster).run(make()))


def _movers(cluster: Cluster, bench: Bench) -> dict[str, Callable[[], Mover]]:
    outlook = Outlook(cluster, bench.seed)
    found: dict[str, Callable[[], Mover]] = {"no DRS": Nobody}
    if hbal.installed():
        found["hbal hourly"] = partial(Hourly, bench.scratch)
    found["coefficient of variation"] = Coefficient
    for policy in POLICIES:
        found[f"ours, {policy}"] = partial(Planner, DrsPolicy(policy=policy, mode="full"), outlook)
    return found


def _figures(name: str, outcome: Outcome) -> Iterator[Figure]:
    yield Figure(f"{name}: VM-time short of CPU", "%", [outcome.short])
    yield Figure(f"{name}: hosts in use", "h", [outcome.host_hours])
    yield Figure(f"{name}: copied", "GiB", [outcome.gib], f"{outcome.moves} moves")
    yield Figure(f"{name}: VMs back within 2 h", "", [float(outcome.returns)])

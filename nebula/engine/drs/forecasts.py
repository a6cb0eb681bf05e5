"""Forecasts for people: the coming hour of a VM or a host, the coming months of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nebula.engine.drs.build import build
from nebula.engine.drs.state import State
from nebula.engine.forecast.month import Full, full
from nebula.engine.metrics.kinds import place
from nebula.engine.metrics.rollup import DAY, HOUR, blocks
from nebula.engine.store.rows import HostRow

if TYPE_CHECKING:
    from nebula.engine.drs.outlook import Expected
    from nebula.engine.drs.policy import DrsPolicy
    from nebula.engine.drs.values import DrsSnapshot
    from nebula.engine.store.transaction import Queries

_PEAK = 1.2816
"""The peak is the .9 quantile: so many standard deviations above the mean."""
_HISTORY = 90 * DAY


def of_vm(expected: Expected) -> dict[str, Any]:
    """Mean and peak of each metric."""
    return {
        name: {"mean": round(mean, 3), "peak": round(mean + _PEAK * spread, 3)}
        for name, mean, spread in zip(expected.mean._fields, expected.mean, expected.spread, strict=True)
    }


def of_host(snapshot: DrsSnapshot, policy: DrsPolicy, host_id: int) -> dict[str, Any]:
    """Mean and covered load of each metric, as shares of the host's capacity."""
    problem, goal, indices = build(snapshot, policy)
    state = State(problem, goal)
    row = next(index for index, host in enumerate(indices.hosts) if host.id == host_id)
    covered = state.effective(state.load, state.spread)
    return {
        metric: {"mean": round(float(state.load[row, number]), 4), "peak": round(float(covered[row, number]), 4)}
        for number, metric in enumerate(indices.metrics)
    }


def of_cluster(queries: Queries, cluster_id: int, now: float) -> dict[str, Any]:
    """When CPU and memory are full, by what its hosts used: a date with an interval, or none within a year."""
    hosts = queries.select(HostRow, '"cluster_id"=?', (cluster_id,))
    inside = {host.id for host in hosts}
    capacity = {"cpu": sum(host.cpu_total for host in hosts), "memory": sum(host.memory_total for host in hosts)}
    times: list[float] = []
    used: dict[str, list[float]] = {name: [] for name in capacity}
    for block, ids, columns in blocks(queries, "host", since=now - _HISTORY, step=HOUR):
        rows = [index for index, number in enumerate(ids) if number in inside]
        if rows:
            times.append(block.at)
            for name, values in used.items():
                values.append(sum(columns[place("host", name)][index] for index in rows))
    moments = np.array(times, dtype=np.float64)
    return {name: _when(full(moments, np.array(values), float(capacity[name]), now)) for name, values in used.items()}


def _when(found: Full) -> dict[str, Any]:
    return {"full": found.at, "earliest": found.earliest, "latest": found.latest, "days": found.days}

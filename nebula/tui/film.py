"""A cluster over time for the DRS screen: what its hosts did, slot by slot, and what was decided; plain values, no widget."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from nebula.engine.api.tables import Query

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine

SLOT = 300
"""Seconds of a slot, as roll-ups have them."""
_HOSTS, _PLANS = 100, 60
"""Hosts and plans that are read at most."""


class Decision(NamedTuple):
    """A plan: when it was made, and what came of it. `helped`: yes, no, or "" where it was not measured."""

    at: float
    plan: int
    state: str
    helped: str
    before: float
    after: float
    moves: Sequence[Mapping[str, Any]]


class Load(NamedTuple):
    """What a host used in a slot: shares of what it has."""

    host: str
    cpu: float
    memory: float


class Film(NamedTuple):
    """`times`: the slots in which anything was measured, oldest first; `loads`: each of them, host by host in one order."""

    cluster: str
    times: Sequence[float]
    loads: Sequence[Sequence[Load]]
    decisions: Sequence[Decision]
    more: int = 0
    """Hosts that were left out."""

    def place(self, at: float) -> int:
        """The slot of a moment, or the nearest there is."""
        return max(0, min(bisect_right(self.times, at) - 1, len(self.times) - 1))

    def decided(self, place: int) -> int | None:
        """The last decision up to the end of that slot, by its place; None where there was none before. The last slot has not
        ended yet.
        """
        until = self.times[place] + SLOT if place < len(self.times) - 1 else inf
        found = bisect_right([item.at for item in self.decisions], until) - 1
        return found if found >= 0 else None

    def next_decision(self, place: int, by: int) -> int:
        """The slot of the next decision (`by` 1) or of the one before (-1); the same where there is no other."""
        places = sorted({self.place(item.at) for item in self.decisions})
        after = bisect_right(places, place) if by > 0 else bisect_left(places, place) - 1
        return places[after] if 0 <= after < len(places) else place


def read(engine: Engine, plan: int, now: float, hours: int) -> Film:
    """The last hours of the cluster of that plan. NotFoundError where there is no such plan."""
    cluster, since = engine.drs.show(plan).name, now - hours * 3600
    columns = ("id", "name", "cpu_total", "memory_total")
    hosts = engine.hosts.list(Query(columns=columns, filters=(("cluster", "=", cluster),), sort=("name",))).rows
    by_time: dict[float, dict[str, Load]] = {}
    for key, name, cpus, memory in hosts[:_HOSTS]:
        listing = engine.metrics.series("host", str(key), since, SLOT)
        places = [listing.columns.index(word) for word in ("cpu", "memory")]
        for row in listing.rows:
            cpu, used = (row[place] or 0.0 for place in places)
            by_time.setdefault(row[0], {})[str(name)] = Load(str(name), cpu / (cpus or 1), used / (memory or 1))
    times = sorted(by_time)
    loads = [sorted(by_time[at].values()) for at in times]
    return Film(cluster, times, loads, _decisions(engine, cluster, since), max(0, len(hosts) - _HOSTS))


def _decisions(engine: Engine, cluster: str, since: float) -> list[Decision]:
    columns = ("id", "state", "helped", "created")
    query = Query(columns=columns, filters=(("cluster", "=", cluster),), limit=_PLANS)
    found = []
    for key, state, helped, created in engine.drs.list(query).rows:
        if created >= since:
            body = engine.drs.show(int(key)).body
            found.append(Decision(created, int(key), state, helped, body["before"], body["after"], body["moves"]))
    return sorted(found, key=lambda item: item.at)

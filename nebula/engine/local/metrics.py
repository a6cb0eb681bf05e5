"""What was measured, as the façade tells it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from nebula.engine.api.values import Listing
from nebula.engine.lifecycle.states import HostState
from nebula.engine.local.base import resolve
from nebula.engine.metrics import rates
from nebula.engine.metrics.kinds import METRICS, Row
from nebula.engine.metrics.recent import SLOT, RecentFigures
from nebula.engine.metrics.rollup import HOUR, history
from nebula.engine.monitor.sampling import Look, look
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.errors import UsageError

AS_MEASURED = 0
"""The step of a series that is not summed up."""
_FRESH = 60.0
"""Seconds after which a measurement is no longer what happens now."""
_BETWEEN = 1.0
"""Seconds between the two looks of who has no engine that measures."""
_HEADS: dict[str, tuple[tuple[str, ...], str]] = {
    "host": (("id", "name", "cpu_total", "memory_total"), 'SELECT "id", "name", "cpu_total", "memory_total" FROM "host"'),
    "vm": (
        ("id", "name", "host", "vcpus", "memory_given"),
        'SELECT "vm"."id", "vm"."name", "host"."name", "vm"."vcpus", "vm"."memory" FROM "vm" '
        'LEFT JOIN "host" ON "host"."id"="vm"."host_id" WHERE "vm"."state"<>6 AND "vm"."host_id">0',
    ),
}
"""What stands before the figures, and where it comes from."""


class LocalMetrics:
    """See nebula.engine.api.verbs.Metrics."""

    def __init__(self, services: Services, figures: RecentFigures) -> None:
        self._services = services
        self._figures = figures

    def top(self, kind: str) -> Listing:
        """The newest figures of every running VM, or of every host; where nobody measures, two looks are taken now."""
        now = self._services.clock.now()
        newest = {number: found for number, found in self._figures.newest(_kind(kind)).items() if found[0] > now - _FRESH}
        if not newest and self._any(kind):
            newest = self._look_twice(kind)
        return _listing(self._services, kind, newest)

    def _any(self, kind: str) -> bool:
        """Whether there is anything to look at."""
        return kind == "host" or bool(self._services.store.read().rows(f"{_HEADS['vm'][1]} LIMIT 1"))

    def _look_twice(self, kind: str) -> dict[int, tuple[float, Row]]:
        queries = self._services.store.read()
        hosts = queries.select(HostRow, '"state" IN (?,?) ORDER BY "id"', (int(HostState.MONITORED), int(HostState.DISABLED)))
        first = [(host, look(self._services, host)) for host in hosts]
        threading.Event().wait(_BETWEEN)
        found: dict[int, tuple[float, Row]] = {}
        for host, before in first:
            after = look(self._services, host)
            found.update(_rows(kind, host, before, after, after.counted - before.counted))
        return found

    def series(self, kind: str, ref: str, since: float, step: int = SLOT) -> Listing:
        """See Metrics.series."""
        if step not in {AS_MEASURED, SLOT, HOUR}:
            raise UsageError(f"there are no steps of {step} s", hint=f"steps are {SLOT} s for days and {HOUR} s for months")
        queries = self._services.store.read()
        number = (resolve(queries, VmRow, ref) if _kind(kind) == "vm" else resolve(queries, HostRow, ref)).id
        names = [metric.name for metric in METRICS[kind]]
        found: Iterable[tuple[float, Sequence[float]]]
        if step == AS_MEASURED:
            found = ((at, [*row, *row]) for at, row in self._figures.rows(kind, number) if at >= since)
        else:
            found = history(queries, kind, number, since=since, step=step)
        rows: list[list[Any]] = [[at, *map(_plain, values)] for at, values in found]
        return Listing(columns=("at", *names, *(f"{name}_max" for name in names)), rows=rows)


def _kind(kind: str) -> str:
    if kind not in METRICS:
        raise UsageError(f"nothing is measured of a {kind[:40]!r}", hint="vm or host")
    return kind


def _rows(kind: str, host: HostRow, before: Look, after: Look, seconds: float) -> dict[int, tuple[float, Row]]:
    if kind == "host":
        row = rates.host(before.sample, after.sample, host.cpu_total) if before.sample and after.sample else None
        return {host.id: (after.asked, row)} if row else {}
    found: dict[int, tuple[float, Row]] = {}
    for uuid, stats in after.stats.items():
        reality, then = after.domains.get(uuid), before.stats.get(uuid)
        row = rates.domain(then, stats, seconds) if then is not None else None
        if row is not None and reality is not None and reality.vm_id is not None:
            found[reality.vm_id] = (after.asked, row)
    return found


def _listing(services: Services, kind: str, newest: dict[int, tuple[float, Row]]) -> Listing:
    """Busiest first."""
    names = tuple(metric.name for metric in METRICS[kind])
    head, sql = _HEADS[kind]
    known = {int(row[0]): list(row[1:]) for row in services.store.read().rows(sql)}
    rows = [[number, *known[number], *map(_plain, row)] for number, (_, row) in newest.items() if number in known]
    cpu = len(head)
    rows.sort(key=lambda row: (-(row[cpu] or 0.0), row[0]))
    oldest = min((at for at, _ in newest.values()), default=0.0)
    return Listing(columns=(*head, *names), rows=rows, as_of=oldest)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)

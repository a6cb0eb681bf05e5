"""What the overview says: asked of the engine in one go, as plain values; knows no widget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from nebula.cli import attention
from nebula.cli.output.plan import forecast_lines
from nebula.cli.output.values import machine
from nebula.engine.api.tables import Query
from nebula.errors import NebulaError

if TYPE_CHECKING:
    from nebula.engine.api.values import Event
    from nebula.engine.api.verbs import Engine

_HOT, _WAITING, _EVENTS = 6, 6, 60


class Capacity(NamedTuple):
    """Of one resource: `unit` is cpu or mib as in columns; used is what is measured, -1 while it is not known."""

    name: str
    unit: str
    used: float
    promised: float
    total: float


class Hot(NamedTuple):
    """A host or VM that is busy: shares of its host, or of what it was promised."""

    kind: str
    name: str
    cpu: float
    memory: float


class Waiting(NamedTuple):
    """A VM that waits, and why."""

    name: str
    why: str
    hint: str


class Outlook(NamedTuple):
    """All of it. `states`: noun -> how many are in which state."""

    states: dict[str, dict[str, int]]
    capacities: list[Capacity]
    forecasts: list[str]
    hot: list[Hot]
    waiting: list[Waiting]
    troubles: list[str]
    events: list[Event]


def look(engine: Engine, now: float) -> Outlook:
    """Ask for everything."""
    hosts = engine.hosts.list(Query(columns=_HOST)).rows
    states = {"host": _states("host_state", [row[1] for row in hosts])}
    for noun, part, show in (
        ("vm", engine.vms, "state"),
        ("image", engine.images, "image_state"),
        ("job", engine.jobs, "text"),
    ):
        query = Query(columns=("state",), filters=(("state", "!=", "done"),) if noun == "job" else ())
        states[noun] = _states(show, [row[0] for row in part.list(query).rows])
    return Outlook(
        states, list(_capacities(engine, hosts)), list(_forecasts(engine, now)), _hot(engine), list(_waiting(engine)),
        [str(trouble) for trouble in attention.of_engine(engine)], _events(engine),
    )  # fmt: skip


_HOST = ("name", "state", "cpu_used", "cpu_allocated", "cpu_max", "memory_used", "memory_allocated", "memory_max")


def _states(show: str, values: Sequence[Any]) -> dict[str, int]:
    return dict(Counter(str(machine(show, value)) for value in values).most_common())


def _capacities(engine: Engine, hosts: Sequence[Sequence[Any]]) -> Iterator[Capacity]:
    for name, unit, place in (("CPU", "cpu", 2), ("memory", "mib", 5)):
        used = [row[place] for row in hosts if row[place] is not None and row[place] >= 0]
        promised, total = (sum(row[place + step] for row in hosts if row[place + step]) for step in (1, 2))
        yield Capacity(name, unit, sum(used) if used else -1, promised, total)
    for row in engine.datastores.list(Query(columns=("name", "total", "free"))).rows:
        if row[1] and row[1] > 0:
            yield Capacity(f"datastore {row[0]}", "mib", row[1] - row[2], 0, row[1])


def _forecasts(engine: Engine, now: float) -> Iterator[str]:
    for row in engine.clusters.list(Query(columns=("name",))).rows:
        with suppress(NebulaError):
            detail = engine.drs.forecast("cluster", str(row[0]))
            yield from forecast_lines({"kind": detail.kind, "id": detail.id, "name": detail.name, **detail.body}, now, 0)


def _hot(engine: Engine) -> list[Hot]:
    """Hosts and VMs by the larger of their loads."""
    found = list[Hot]()
    for kind in ("host", "vm"):
        limits = ("cpu_max", "memory_max") if kind == "host" else ("cpu", "memory")
        filters = (("state", "=", "RUNNING"),) if kind == "vm" else ()
        columns = ("name", "cpu_used", "memory_used", *limits)
        query = Query(columns=columns, filters=filters, sort=("-cpu_used",), limit=_HOT * 4)
        listing = (engine.hosts if kind == "host" else engine.vms).list(query)
        for name, cpu, memory, cpus, size in listing.rows:
            if cpu is not None and cpu >= 0 and cpus and size:
                found.append(Hot(kind, str(name), cpu / cpus, max(memory or 0, 0) / size))
    return sorted(found, key=lambda item: -max(item.cpu, item.memory))[:_HOT]


def _waiting(engine: Engine) -> Iterator[Waiting]:
    query = Query(columns=("id", "name"), filters=(("state", "=", "PENDING"),), limit=_WAITING)
    for key, name in engine.vms.list(query).rows:
        with suppress(NebulaError):
            found = engine.vms.describe(str(key)).body.get("waiting") or {}
            yield Waiting(str(name), str(found.get("summary", "")), str(found.get("hint", "")))


def _events(engine: Engine) -> list[Event]:
    last = engine.system.status().last_event
    return list(reversed(engine.events.list(after=max(0, last - _EVENTS))))

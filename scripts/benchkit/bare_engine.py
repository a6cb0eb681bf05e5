"""A warm engine in this process that drives the lab's hosts: connected, its images in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchkit.bare_lab import BRIDGE, HOSTS, Lab
from benchkit.cluster import CALL, engine, finish
from benchkit.errors import BenchError
from nebula.engine.api.values import Accepted
from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import EventRow

SHARED = "/srv/nebula-shared"
"""What all hosts of a lab see."""
SECONDS = 120.0
FREE = (100, 199)
"""The guests' addresses end so."""


@contextmanager
def real(home: Path, lab: Lab) -> Iterator[LocalEngine]:
    """An engine with both hosts, a datastore `shared` beside its own, and the network `lan`."""
    with engine(home) as local:
        lab.authorize(local.hosts.engine_key())
        finish(local, [local.hosts.add(_host(local, name, lab.addresses[name]), CALL) for name in HOSTS])
        finish(local, [local.datastores.create({"name": "shared", "driver": "shared", "path": SHARED}, CALL)])
        first, last = FREE
        ranges = [{"IP": f"{lab.guests}.{first}", "SIZE": str(last - first)}]
        network = {"name": "lan", "bridge": BRIDGE, "ranges": ranges, "prefix_length": 24}
        finish(local, [local.networks.create(network, CALL)])
        yield local


def _host(local: LocalEngine, name: str, address: str) -> dict[str, Any]:
    keys = [offer.line for offer in local.hosts.scan(address)]
    return {"name": name, "address": address, "virt": "qemu", "host_keys": keys}


def template(name: str, image: str, host: str) -> dict[str, Any]:
    """A small VM on a chosen host."""
    return {
        "NAME": name,
        "CPU": "0.1",
        "MEMORY": 96,
        "HOST": host,
        "DISK": [{"IMAGE": image}],
        "NIC": [{"NETWORK": "lan"}],
        "CONTEXT": {"NETWORK": "YES"},
    }


class Stopwatch:
    """Milliseconds until an event of one kind is durable; listens before the verb is called, so that none is missed."""

    def __init__(self, local: LocalEngine) -> None:
        self._local = local

    def create(self, given: Mapping[str, Any]) -> tuple[Accepted, float]:
        """From the call to RUNNING."""
        return self._timed(lambda: self._local.vms.create(given, CALL), _runs)

    def migrate(self, ref: str, host: str) -> float:
        """From the call to the end of the live migration."""
        return self._timed(lambda: self._local.vms.migrate(ref, host, CALL, live=True), _ended)[1]

    def _timed(self, verb: Any, ends: Any) -> tuple[Accepted, float]:
        seen: list[tuple[EventRow, float]] = []
        news = threading.Condition()

        def hear(events: list[EventRow]) -> None:
            with news:
                seen.extend((event, time.perf_counter()) for event in events)
                news.notify()

        unlisten = self._local.services.store.listen(hear)
        try:
            began = time.perf_counter()
            accepted: Accepted = verb()
            with news:
                if not news.wait_for(lambda: any(ends(event, accepted) for event, _ in seen), SECONDS):
                    raise BenchError(f"{accepted.kind} {accepted.name} did not come to an end")
            event, at = next((event, at) for event, at in seen if ends(event, accepted))
        finally:
            unlisten()
        if event.kind == "job.failed":
            raise BenchError(f"job {event.object_id} failed: {event.body.get('error')}")
        return accepted, (at - began) * 1000


def _runs(event: EventRow, accepted: Accepted) -> bool:
    """The VM runs, or a job failed (its own: nothing else goes on)."""
    mine = event.object_kind == "vm" and event.object_id == accepted.id
    return event.kind == "job.failed" or (mine and event.kind == "vm.state" and event.body.get("after") == "RUNNING")


def _ended(event: EventRow, accepted: Accepted) -> bool:
    return event.object_kind == "job" and event.object_id == accepted.job_id and event.kind in {"job.done", "job.failed"}

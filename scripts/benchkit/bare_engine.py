"""A warm engine in this process that drives the lab's hosts: connected, its images in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

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
        "MEMORY": 128,
        "HOST": host,
        "DISK": [{"IMAGE": image}],
        "NIC": [{"NETWORK": "lan"}],
        "CONTEXT": {"NETWORK": "YES"},
    }


class News:
    """What an engine wrote while this is open, each event with the moment at which it was durable."""

    def __init__(self, local: LocalEngine) -> None:
        self._local = local
        self._heard: list[tuple[EventRow, float]] = []
        self._more = threading.Condition()

    def __enter__(self) -> Self:
        self._unlisten = self._local.services.store.listen(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        self._unlisten()

    def _hear(self, events: list[EventRow]) -> None:
        with self._more:
            self._heard.extend((event, time.perf_counter()) for event in events)
            self._more.notify()

    def wait(self, is_it: Callable[[EventRow], bool], what: str) -> float:
        """When the first such event was durable; BenchError if none comes, or if a job failed."""
        with self._more:
            self._more.wait_for(lambda: self._failed() or self._first(is_it), SECONDS)
            failed, found = self._failed(), self._first(is_it)
        if failed is not None:
            raise BenchError(f"job {failed.object_id} failed: {failed.body.get('error')}")
        if found is None:
            raise BenchError(f"{what} did not come to an end")
        return found

    def _failed(self) -> EventRow | None:
        return next((event for event, _ in self._heard if event.kind == "job.failed"), None)

    def _first(self, is_it: Callable[[EventRow], bool]) -> float | None:
        return next((at for event, at in self._heard if is_it(event)), None)


class Stopwatch:
    """Milliseconds until an event is durable; listens before the verb is called, so that none is missed."""

    def __init__(self, local: LocalEngine) -> None:
        self._local = local

    def create(self, given: Mapping[str, Any]) -> tuple[Accepted, float]:
        """From the call to RUNNING."""
        (accepted,), taken = self.create_all([given])
        return accepted, taken

    def create_all(self, given: Sequence[Mapping[str, Any]]) -> tuple[list[Accepted], float]:
        """From the first call to the last one's RUNNING; called one after the other."""
        with News(self._local) as news:
            began = time.perf_counter()
            accepted = [self._local.vms.create(one, CALL) for one in given]
            return accepted, (max(news.wait(becomes(one.id, "RUNNING"), one.name) for one in accepted) - began) * 1000

    def migrate(self, ref: str, host: str) -> float:
        """From the call to the end of the live migration."""
        with News(self._local) as news:
            began = time.perf_counter()
            job = self._local.vms.migrate(ref, host, CALL, live=True).job_id
            return (news.wait(lambda event: event.kind == "job.done" and event.object_id == job, "migration") - began) * 1000


def becomes(vm_id: int, state: str) -> Callable[[EventRow], bool]:
    """Whether an event says that the VM is in that state now."""
    return lambda event: (
        (event.kind, event.object_kind, event.object_id) == ("vm.state", "vm", vm_id) and event.body.get("after") == state
    )

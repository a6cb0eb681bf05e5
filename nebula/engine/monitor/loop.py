"""The monitor: every host at its interval on a thread of its own, events as they are pushed, and the findings."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from nebula.cancel import CancelToken
from nebula.drivers.base import Subscription
from nebula.engine.lifecycle.states import HostState
from nebula.engine.monitor.memory import Recent
from nebula.engine.monitor.reconcile import take_up
from nebula.engine.monitor.sampling import failed, look, record
from nebula.engine.monitor.stale import tidy
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, HostRow, VmRow
from nebula.errors import NebulaError, NotFoundError, OwnerError
from nebula.model.domain import DomainEvent, DomainState

_log = logging.getLogger(__name__)
_STOP = 5.0
"""Seconds that all watchers together may take to end; one that hangs in a call is left behind."""
_ALIVE = {DomainState.RUNNING, DomainState.PAUSED}


class Monitor:
    """Watches all hosts that are not OFFLINE. `on_back` is called with a host's id when it answers again."""

    def __init__(self, services: Services, on_back: Callable[[int], None]) -> None:
        self._services = services
        self._on_back = on_back
        self._lock = threading.Lock()
        self._watchers: dict[int, HostWatcher] = {}
        self._stopping = CancelToken()
        self._where: dict[str, str] = {}
        self.recent = Recent()

    def start(self) -> None:
        """Begin to watch; hosts that come later are noticed by their events."""
        self._unlisten = self._services.store.listen(self._on_events)
        self._adjust()

    def stop(self) -> None:
        """End all watchers."""
        self._stopping.set("engine is stopping")
        self._unlisten()
        with self._lock:
            watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.stop()
        deadline = self._services.clock.monotonic() + _STOP
        for watcher in watchers:
            watcher.join(timeout=max(0.0, deadline - self._services.clock.monotonic()))

    def first_looks(self, timeout: float) -> bool:
        """Wait until every host was asked once (it answered or did not)."""
        with self._lock:
            watchers = list(self._watchers.values())
        return all(watcher.looked.wait(timeout) for watcher in watchers)

    def _on_events(self, events: list[EventRow]) -> None:
        if any(event.kind in {"host.state", "host.removed", "host.updated"} for event in events):
            threading.Thread(target=self._adjust, name="nebula-monitor-adjust", daemon=True).start()

    def _adjust(self) -> None:
        rows = self._services.store.read().select(HostRow)
        watched = {row.id for row in rows if row.state != HostState.OFFLINE and row.body.get("facts")}
        with self._lock:
            if self._stopping.is_set():
                return
            gone = [self._watchers.pop(number) for number in list(self._watchers) if number not in watched]
            fresh = [HostWatcher(number, self) for number in watched if number not in self._watchers]
            self._watchers.update({watcher.host_id: watcher for watcher in fresh})
            for watcher in fresh:
                watcher.start()
        for watcher in gone:
            watcher.stop()
            self.recent.forget(watcher.host_id)

    # --- for the watchers

    @property
    def services(self) -> Services:
        """The engine's services."""
        return self._services

    @property
    def stopping(self) -> CancelToken:
        """Set when the monitor ends."""
        return self._stopping

    def back(self, host_id: int) -> None:
        """A host answers (again)."""
        self._on_back(host_id)

    def seen_here(self, host: HostRow, alive: set[str]) -> dict[str, str]:
        """Remember which domains the host runs; returns, for domains of other hosts, who runs them."""
        with self._lock:
            self._where = {uuid: name for uuid, name in self._where.items() if name != host.name}
            others = dict(self._where)
            self._where.update(dict.fromkeys(alive, host.name))
        return others


class HostWatcher(threading.Thread):
    """One host's thread: a slow or dead host holds up nobody else."""

    def __init__(self, host_id: int, monitor: Monitor) -> None:
        super().__init__(name=f"nebula-host-{host_id}", daemon=True)
        self.host_id = host_id
        self.looked = threading.Event()
        self._monitor = monitor
        self._services = monitor.services
        self._wake = threading.Event()
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._done = False
        self._failures = 0
        self._strangers: list[str] = []
        self._subscription: Subscription | None = None

    def stop(self) -> None:
        """End after the look under way."""
        self._done = True
        self._wake.set()

    def run(self) -> None:
        """Look, subscribe, wait, again."""
        while not self._done:
            try:
                self._once()
                self.looked.set()
                self._wait()
            except (OwnerError, NotFoundError):
                break
            except Exception:
                _log.exception("the monitor of host %d met a fault", self.host_id)
                self._wake.wait(self._services.settings.monitor_interval)
        if self._subscription is not None:
            self._subscription.close()

    def _once(self) -> None:
        host = self._services.store.read().get(HostRow, self.host_id)
        found = look(self._services, host)
        if self._done:
            return
        if found.error:
            self._fail(found.error)
            return
        self._failures = 0
        alive = {uuid for uuid, reality in found.domains.items() if reality.state in _ALIVE and not reality.incoming}
        elsewhere = self._monitor.seen_here(host, alive)
        missing = {uuid: name for uuid, name in elsewhere.items() if uuid not in alive}
        record(self._services, host, found, self._monitor.recent, missing)
        self._report(host, tidy(self._services, host, found.domains))
        if host.state == HostState.ERROR or self._subscription is None or not self._subscription.alive():
            self._subscribe(host)
            self._monitor.back(self.host_id)

    def _report(self, host: HostRow, strangers: list[str]) -> None:
        """Once for each change: domains of ours that run here although their VM is booked elsewhere."""
        if strangers != self._strangers:
            self._strangers = strangers
            self._services.store.write(
                lambda tx: tx.event("host.finding", "host", host.id, name=host.name, runs_unexpectedly=strangers)
            )

    def _fail(self, error: str) -> None:
        self._failures += 1
        if self._failures >= self._services.settings.host_failures:
            self._services.store.write(lambda tx: failed(tx, self.host_id, error))

    def _subscribe(self, host: HostRow) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        hypervisor = self._services.pool.hypervisor(host)
        if hypervisor.capabilities.events:
            try:
                self._subscription = hypervisor.subscribe(self._on_event)
            except NebulaError as error:
                _log.warning("host %s pushes no events for now: %s", host.name, error)

    def _on_event(self, event: DomainEvent) -> None:
        """From the driver's thread, so only noted: the watcher's own thread looks at the domain."""
        self._told.put(event.uuid)
        self._wake.set()

    def _wait(self) -> None:
        """Until the next look is due; domains that the host told of meanwhile are looked at."""
        clock = self._services.clock
        due = clock.monotonic() + self._services.settings.monitor_interval
        while not self._done and (left := due - clock.monotonic()) > 0:
            if not self._wake.wait(left):
                return
            self._wake.clear()
            for uuid in self._noted():
                self._follow(uuid)

    def _noted(self) -> list[str]:
        found: dict[str, None] = {}
        while not self._told.empty():
            found[self._told.get()] = None
        return list(found)

    def _follow(self, uuid: str) -> None:
        read = self._services.store.read()
        vm = read.first(VmRow, '"uuid"=? AND "host_id"=?', (uuid, self.host_id))
        if vm is None or vm.job_id:
            return
        asked = self._services.clock.now()
        try:
            reality = self._services.pool.hypervisor(read.get(HostRow, self.host_id)).lookup(uuid)
        except NebulaError as error:
            _log.info("an event of host %d could not be followed: %s", self.host_id, error)
            return
        self._services.store.write(lambda tx: take_up(tx, tx.get(VmRow, vm.id), reality, asked=asked))

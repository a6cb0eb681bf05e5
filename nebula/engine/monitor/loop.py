"""The monitor: every host at its interval on a thread of its own, events as they are pushed, and the findings."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from nebula.cancel import CancelToken
from nebula.drivers.base import Subscription
from nebula.engine.lifecycle.states import HostState, LcmState
from nebula.engine.metrics.recent import RecentFigures, Slot
from nebula.engine.metrics.rollup import write
from nebula.engine.monitor.booked import booked
from nebula.engine.monitor.memory import Recent
from nebula.engine.monitor.patience import Doubt, answers
from nebula.engine.monitor.reconcile import news, take_up
from nebula.engine.monitor.sampling import failed, look, record
from nebula.engine.monitor.served import put_back
from nebula.engine.monitor.stale import tidy
from nebula.engine.monitor.unfiltered import filter_again
from nebula.engine.monitor.whereabouts import Whereabouts
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, HostRow, VmRow
from nebula.errors import NebulaError, NotFoundError, OwnerError, UnreachableError
from nebula.model.domain import DomainEvent, DomainReality, DomainState

_log = logging.getLogger(__name__)
_STOP = 5.0
"""Seconds that all watchers together may take to end; one that hangs in a call is left behind."""
_TOGETHER = 0.03
"""Seconds in which what a host tells of gathers: a guest that starts is several events, and many may start."""
_STARTS = frozenset({"defined", "started"})
_AT_ONCE = 500
"""Domains that one statement names."""
_ALIVE = {DomainState.RUNNING, DomainState.PAUSED}


class Monitor:
    """Watches all hosts that are not OFFLINE. `on_back` is called with a host's id when it answers again."""

    def __init__(self, services: Services, on_back: Callable[[int], None]) -> None:
        self._services = services
        self._on_back = on_back
        self._lock = threading.Lock()
        self._watchers: dict[int, HostWatcher] = {}
        self._adjusting: list[threading.Thread] = []
        self._stopping = CancelToken()
        self.whereabouts = Whereabouts()
        self.recent = Recent()
        self.figures = RecentFigures(self._roll_up)

    def start(self) -> None:
        """Begin to watch; hosts that come later are noticed by their events."""
        self._unlisten = self._services.store.listen(self._on_events)
        self._adjust()

    def stop(self) -> None:
        """End all watchers; nobody reads the database for them any more."""
        self._stopping.set("engine is stopping")
        self._unlisten()
        with self._lock:
            watchers, adjusting = list(self._watchers.values()), self._adjusting
        for watcher in watchers:
            watcher.stop()
        deadline = self._services.clock.monotonic() + _STOP
        for thread in (*watchers, *adjusting):
            thread.join(timeout=max(0.0, deadline - self._services.clock.monotonic()))

    def first_looks(self, timeout: float) -> bool:
        """Wait until every host was asked once (it answered or did not)."""
        with self._lock:
            watchers = list(self._watchers.values())
        return all(watcher.looked.wait(timeout) for watcher in watchers)

    def _on_events(self, events: list[EventRow]) -> None:
        if any(event.kind in {"host.state", "host.removed", "host.updated"} for event in events):
            adjusting = threading.Thread(target=self._adjust_patiently, name="nebula-monitor-adjust", daemon=True)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._adjusting = [thread for thread in self._adjusting if thread.is_alive()] + [adjusting]
                adjusting.start()

    def _adjust_patiently(self) -> None:
        """Until the database answers: nobody tells of the same change twice."""
        while not self._stopping.is_set():
            try:
                self._adjust()
            except UnreachableError as error:
                _log.warning("hosts to be watched are not known yet: %s", error)
                self._stopping.wait(self._services.settings.monitor_interval)
            else:
                return

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
            self.figures.forget("host", [watcher.host_id])
            self.whereabouts.forget(watcher.host_id)

    def _roll_up(self, slots: list[Slot]) -> None:
        """Every slot's end, if a VM ran in it: one transaction for all objects; nobody waits for it."""
        if not any(slot.kind == "vm" for slot in slots):
            return
        settings = self._services.settings
        done = self._services.store.submit(
            lambda tx: write(tx, slots, fine_days=settings.rollup_days, hourly_days=settings.rollup_hours_days)
        )
        done.add_done_callback(_report_roll_up)

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


def _report_roll_up(done: Future[None]) -> None:
    error = done.exception()
    if error is not None and not isinstance(error, OwnerError):
        _log.warning("what was measured could not be summed up: %s", error)


class HostWatcher(threading.Thread):
    """One host's thread: a slow or dead host holds up nobody else."""

    def __init__(self, host_id: int, monitor: Monitor) -> None:
        super().__init__(name=f"nebula-host-{host_id}", daemon=True)
        self.host_id = host_id
        self.looked = threading.Event()
        self._monitor = monitor
        self._services = monitor.services
        self._wake, self._ended = threading.Event(), threading.Event()
        self._told: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._done = False
        self._failures = 0
        self._strangers: list[str] = []
        self._subscription: Subscription | None = None

    def stop(self) -> None:
        """End after the look under way."""
        self._done = True
        self._ended.set()
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
        host = self._row()
        doubt = self._doubt(host)
        seldom = self._monitor.recent.hardware_due(host.id, self._services.clock.monotonic())
        found = doubt.beside(lambda: look(self._services, host, hardware=seldom))
        if self._done:
            return
        if doubt.told:
            host = self._row()
        if found.error:
            self._fail(found.error)
            return
        self._failures = 0
        where = self._monitor.whereabouts
        where.seen(host, frozenset(uuid for uuid, reality in found.domains.items() if _alive(reality)))
        mine = booked(self._services, host)
        others = partial(where.elsewhere, host.id)
        record(self._services, host, found, self._monitor.recent, mine, others, self._monitor.figures)
        if seldom:
            put_back(self._services, host)
            filter_again(self._services, host)
        self._report(host, tidy(self._services, host, found.domains, mine))
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

    def _row(self) -> HostRow:
        return self._services.store.read().get(HostRow, self.host_id)

    def _fail(self, error: str) -> None:
        self._failures += 1
        if self._failures >= self._services.settings.host_failures:
            self._services.store.write(lambda tx: failed(tx, self.host_id, error))

    def _doubt(self, host: HostRow) -> Doubt:
        patience = self._services.settings.look_patience
        there = answers(lambda: self._services.pool.handle(host).transport.run(["true"], timeout=patience), patience)
        return Doubt(patience, there, partial(self._overdue, host))

    def _overdue(self, host: HostRow, failures: int, there: bool) -> bool:
        """A look lasts. True if the host counts as lost by that, together with the looks before."""
        if self._done or self._failures + failures < self._services.settings.host_failures:
            return self._done
        error = f"host {host.name} {'is there, but does not say what runs on it' if there else 'does not answer'}"
        try:
            self._services.store.write(lambda tx: failed(tx, self.host_id, error))
        except (OwnerError, NotFoundError):
            _log.info("%s, but this engine has no say in it any more", error)
        return True

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
        self._told.put((event.uuid, event.kind in _STARTS))
        self._wake.set()

    def _wait(self) -> None:
        """Until the next look is due; domains that the host told of meanwhile are looked at."""
        clock = self._services.clock
        due = clock.monotonic() + self._services.settings.monitor_interval
        while not self._done and (left := due - clock.monotonic()) > 0:
            if not self._wake.wait(left):
                return
            self._ended.wait(_TOGETHER)
            self._wake.clear()
            for uuid in self._left_alone(self._noted()):
                self._follow(uuid)

    def _noted(self) -> dict[str, bool]:
        """UUIDs of domains, and whether the host told of no more than their start."""
        found: dict[str, bool] = {}
        while len(found) < _AT_ONCE:
            try:
                uuid, starts = self._told.get_nowait()
            except queue.Empty:
                return found
            found[uuid] = starts and found.get(uuid, True)
        self._wake.set()
        return found

    def _left_alone(self, told: dict[str, bool]) -> list[str]:
        """Of these, VMs that are here and that no job is at; but not those that run, by our books too, where that is all that
        the host told. Most of what a host tells of is a job's doing.
        """
        marks, read = ", ".join("?" * len(told)), self._services.store.read()
        sql = f'SELECT "uuid", "lcm_state" FROM "vm" WHERE "uuid" IN ({marks}) AND "host_id"=? AND "job_id"=0'
        rows = read.rows(sql, (*told, self.host_id)) if told else []
        return [str(uuid) for uuid, lcm_state in rows if not (told[uuid] and lcm_state == LcmState.RUNNING)]

    def _follow(self, uuid: str) -> None:
        read = self._services.store.read()
        vm = read.first(VmRow, '"uuid"=? AND "host_id"=? AND "job_id"=0', (uuid, self.host_id))
        if vm is None:
            return
        asked = self._services.clock.now()
        host = read.get(HostRow, self.host_id)
        try:
            reality = self._doubt(host).beside(lambda: self._services.pool.hypervisor(host).lookup(uuid))
        except NebulaError as error:
            _log.info("an event of host %d could not be followed: %s", self.host_id, error)
            return
        if news(vm, reality, asked=asked) is not None:
            self._services.store.write(lambda tx: take_up(tx, tx.get(VmRow, vm.id), reality, asked=asked))


def _alive(reality: DomainReality) -> bool:
    return reality.state in _ALIVE and not reality.incoming

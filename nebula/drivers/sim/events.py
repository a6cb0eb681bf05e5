"""Who hears of changes: one thread follows the change table and calls the subscribers of each host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.hosts import HOST_DOWN
from nebula.model.domain import DomainEvent

INTERVAL = 0.05
"""Seconds between two looks for what other processes changed."""
KEPT = 50_000
"""Changes that are kept for followers which lag behind."""
Callback = Callable[[DomainEvent], None]


class SimSubscription:
    """Events of one host; see nebula.drivers.base.Subscription."""

    def __init__(self, follower: Follower, host: str, callback: Callback, since: int) -> None:
        self._follower, self.host, self.callback, self.since = follower, host, callback, since
        self._open = True

    def close(self) -> None:
        """See Subscription.close."""
        self._open = False
        self._follower.forget(self)

    def alive(self) -> bool:
        """See Subscription.alive; what the host lost (power, network, libvirtd) ends it for good."""
        if self._open:
            self._follower.deliver(wait=False)
        return self._open


class Follower:
    """Delivers changes in their order, each once, from a thread that lives while there are subscriptions."""

    def __init__(self, db: Database, settle: Callable[[], None]) -> None:
        self._db, self._settle = db, settle
        self._listed = threading.RLock()
        self._delivering = threading.RLock()
        self._wake = threading.Event()
        self._subscriptions: dict[str, list[SimSubscription]] = {}
        self._thread: threading.Thread | None = None
        self._seen = 0
        self._trimmed = 0
        db.on_events = self._wake.set

    def subscribe(self, host: str, callback: Callback) -> SimSubscription:
        """Call `callback` for what happens on the host from now on."""
        with self._listed:
            since = self._newest()
            if not self._subscriptions:
                self._seen = since
            subscription = SimSubscription(self, host, callback, since)
            self._subscriptions.setdefault(host, []).append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="sim-events", daemon=True)
                self._thread.start()
        return subscription

    def forget(self, subscription: SimSubscription) -> None:
        """The subscription gets nothing more."""
        with self._listed:
            listening = self._subscriptions.get(subscription.host, [])
            if subscription in listening:
                listening.remove(subscription)
            if not listening:
                self._subscriptions.pop(subscription.host, None)

    def _listening(self, host: str) -> tuple[SimSubscription, ...]:
        with self._listed:
            return tuple(self._subscriptions.get(host, ()))

    def _newest(self) -> int:
        row = self._db.one("SELECT coalesce(max(seq), 0) FROM changes")
        return int(row[0]) if row else 0

    def _follow(self) -> None:
        while True:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            with self._listed:
                if not self._subscriptions:
                    self._thread = None
                    return
            self._settle()
            self.deliver()

    def deliver(self, *, wait: bool = True) -> None:
        """Tell everybody what happened up to now; a deterministic test calls it instead of waiting for the thread.

        Without `wait`, nothing if another thread is at it: a subscriber may hold what the caller waits for.
        """
        if self._delivering.acquire(blocking=wait):
            try:
                self._deliver()
            finally:
                self._delivering.release()

    def _deliver(self) -> None:
        for seq, host, uuid, kind, reason, detail in self._db.all(
            "SELECT seq, host, uuid, kind, reason, detail FROM changes WHERE seq > ? ORDER BY seq", self._seen
        ):
            self._seen = seq
            event = DomainEvent(host=host, uuid=uuid, kind=kind, reason=reason, detail=detail)
            for subscription in self._listening(host):
                if seq > subscription.since:
                    self._tell(subscription, event)
        if self._seen > self._trimmed + 2 * KEPT:
            self._trimmed = self._seen - KEPT
            self._db.run("DELETE FROM changes WHERE seq < ?", self._trimmed)

    def _tell(self, subscription: SimSubscription, event: DomainEvent) -> None:
        if event.kind == HOST_DOWN:
            subscription.close()
            return
        try:
            subscription.callback(event)
        except Exception:
            logging.getLogger(__name__).exception("a subscriber to host %s failed and is forgotten", event.host)
            subscription.close()

    def close(self) -> None:
        """End all subscriptions and the thread."""
        with self._listed:
            for listening in tuple(self._subscriptions.values()):
                for subscription in tuple(listening):
                    subscription.close()
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

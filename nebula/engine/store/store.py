"""The store: a writer, readers, and the wake-up of everybody who follows the events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from nebula.clock import Clock
from nebula.engine.store.database import Location, connect
from nebula.engine.store.rows import EventRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import Writer

T = TypeVar("T")


class Store:
    """Rows of one home. Reads run on a connection a thread, beside the writer."""

    def __init__(self, location: Location, clock: Clock) -> None:
        self.location = location
        self._clock = clock
        self._local = threading.local()
        self._listeners: list[Callable[[list[EventRow]], None]] = []
        self._writer = Writer(location, clock, self._tell)

    @property
    def commits(self) -> int:
        """Commits so far: as many fsyncs."""
        return self._writer.commits

    def own(self, epoch: int) -> None:
        """From now on every write checks that the database still has this epoch."""
        self._writer.epoch = epoch

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Queue a write; the future resolves when it is durable."""
        return self._writer.submit(work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Write and wait until it is durable."""
        return self._writer.write(work)

    def read(self) -> Queries:
        """The thread's own reader; each statement sees the newest commit."""
        found: Queries | None = getattr(self._local, "queries", None)
        if found is None:
            found = Queries(connect(self.location, readonly=True), self.location.dialect)
            self._local.queries = found
        return found

    @contextmanager
    def snapshot(self) -> Iterator[Queries]:
        """A reader whose statements all see the same moment."""
        queries = self.read()
        isolation = " ISOLATION LEVEL REPEATABLE READ" if self.location.dialect.kind == "postgres" else ""
        queries.execute(f"BEGIN{isolation}")
        try:
            yield queries
        finally:
            queries.execute("COMMIT")

    def listen(self, callback: Callable[[list[EventRow]], None]) -> Callable[[], None]:
        """Call back (from the writer's thread, so be quick) with the events of each commit; returns how to stop it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def close(self) -> None:
        """Finish queued writes and close."""
        self._writer.close()

    def _tell(self, events: list[EventRow]) -> None:
        for callback in list(self._listeners):
            callback(events)

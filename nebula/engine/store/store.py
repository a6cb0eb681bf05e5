"""The store: a writer, readers, and the wake-up of everybody who follows the events."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from nebula.clock import Clock
from nebula.engine.store.database import Location, as_error, connect, connection_lost, from_database, where
from nebula.engine.store.rows import EventRow
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import Writer

T = TypeVar("T")
R = TypeVar("R", bound=Row)


class Reader(Queries):
    """A thread's reader. It opens its connection anew when a server dropped it; errors are those of the tree."""

    def __init__(self, location: Location) -> None:
        super().__init__(connect(location, readonly=True), location.dialect)
        self._location = location
        self.in_snapshot = False

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """See Queries.execute."""
        try:
            return super().execute(sql, parameters)
        except Exception as error:
            if self.in_snapshot or not connection_lost(error):
                raise (as_error(error, where(self._location)) if from_database(error) else error) from error
        super().__init__(connect(self._location, readonly=True), self._location.dialect)
        return super().execute(sql, parameters)

    def close(self) -> None:
        """Let go of the connection; a thread that ended does so by itself."""
        self._connection.close()


class Store:
    """Rows of one home. Reads run on a connection a thread, beside the writer."""

    def __init__(self, location: Location, clock: Clock) -> None:
        self.location = location
        self._clock = clock
        self._local = threading.local()
        self._lock = threading.Lock()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._listeners: list[Callable[[list[EventRow]], None]] = []
        self._kept: dict[str, dict[int, Any]] = {}
        self._written: Counter[str] = Counter()
        """How often each table was written to by this process, for `known`."""
        self._writer = Writer(location, clock, self._tell, self._forget)

    @property
    def commits(self) -> int:
        """Commits so far: as many fsyncs."""
        return self._writer.commits

    def own(self, epoch: int) -> None:
        """From now on every write checks that the database still has this epoch."""
        self._writer.epoch = epoch

    @property
    def owned(self) -> bool:
        """Whether this process owns it, so that it may write."""
        return self._writer.epoch != 0

    def when_lost(self, callback: Callable[[], object]) -> None:
        """Call back (from the writer's thread) when a write was refused because another process is the owner by now."""
        self._writer.on_lost = callback

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Queue a write; the future resolves when it is durable."""
        return self._writer.submit(work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Write and wait until it is durable."""
        return self._writer.write(work)

    def read(self) -> Queries:
        """The thread's own reader; each statement sees the newest commit."""
        return self._reader()

    def known(self, kind: type[R], row_id: int) -> R:
        """`read().get`, for who does not change the row, in the process that owns the store: read again only after something
        was written to its table.
        """
        table = kind._table
        found: R | None = self._kept.get(table, {}).get(row_id)
        if found is None:
            before = self._written[table]
            found = self.read().get(kind, row_id)
            with self._lock:
                if self._written[table] == before:
                    self._kept.setdefault(table, {})[row_id] = found
        return found

    def _forget(self, tables: Collection[str]) -> None:
        with self._lock:
            for table in tables:
                self._written[table] += 1
                self._kept.pop(table, None)

    def _reader(self) -> Reader:
        found: Reader | None = getattr(self._local, "reader", None)
        if found is None:
            found = self._local.reader = Reader(self.location)
            with self._lock:
                self._readers.add(found)
        return found

    @contextmanager
    def snapshot(self) -> Iterator[Queries]:
        """A reader whose statements all see the same moment."""
        queries = self._reader()
        isolation = " ISOLATION LEVEL REPEATABLE READ" if self.location.dialect.kind == "postgres" else ""
        queries.execute(f"BEGIN{isolation}")
        queries.in_snapshot = True
        try:
            yield queries
        finally:
            queries.in_snapshot = False
            queries.execute("COMMIT")

    def listen(self, callback: Callable[[list[EventRow]], None]) -> Callable[[], None]:
        """Call back (from the writer's thread, so be quick) with the events of each commit; returns how to stop it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def close(self) -> None:
        """Finish queued writes and close every connection; no thread may read any more."""
        self._writer.close()
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.close()

    def _tell(self, events: list[EventRow]) -> None:
        for callback in list(self._listeners):
            callback(events)

"""The one writer: a thread, a queue, and one commit for all that wait together.

Every write runs in a savepoint of its own, so that a failing one does not take its neighbours along. A future is
resolved after the commit, never before: what was answered is on the disk. Each batch checks the owner's epoch, so that
a paused owner which lost its lock can change nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, TypeVar

from nebula.clock import Clock
from nebula.engine.store.database import Connection, Location, as_error, connect, from_database, where
from nebula.engine.store.rows import EventRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import OwnerError

T = TypeVar("T")
Work = Callable[[Transaction], Any]
_BATCH = 512
_LOGGED = 128
"""Writes after which SQLite's log goes into the file: a VM's creation takes thirty pages, so that it has about 16 MiB."""
_log = logging.getLogger(__name__)


class DryRun(Exception):
    """Raised by a write that only wanted to know: rolled back, `answer` goes to the caller."""

    def __init__(self, answer: Any) -> None:
        super().__init__("dry run")
        self.answer = answer


class Writer:
    """Owns the only writing connection.

    `epoch` 0 skips the check (a store that nobody else can own). `on_events` gets the events of each commit, in order, and
    `on_tables`, before that, the names of the tables that may have changed.
    `on_lost` is called when another process turns out to own the database by now.
    `commits` counts commits that wrote something, for tests that guard the number of fsyncs.
    """

    def __init__(
        self,
        location: Location,
        clock: Clock,
        on_events: Callable[[list[EventRow]], None],
        on_tables: Callable[[Collection[str]], None],
    ) -> None:
        self._location = location
        self._dialect = location.dialect
        self._clock = clock
        self._on_events, self._on_tables = on_events, on_tables
        self._queue: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._loop, name="nebula-writer", daemon=True)
        self._starting = threading.Lock()
        self._closed = False
        self._changes = 0
        self._logged = 0
        self.epoch = 0
        self.on_lost: Callable[[], object] = lambda: None
        self.commits = 0

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Queue a write; its future resolves when it is durable."""
        future: Future[T] = Future()
        with self._starting:
            if self._closed:
                future.set_exception(OwnerError("the engine has stopped", hint="try again"))
                return future
            if not self._thread.is_alive():
                self._start()
            self._queue.put((work, future))
        return future

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Submit and wait."""
        return self.submit(work).result()

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._starting:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _start(self) -> None:
        """With the first write: who only reads opens no writing connection."""
        self._open()
        self._thread.start()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._location)
        return self._connection

    def _loop(self) -> None:
        while True:
            batch, ended = self._take()
            if batch:
                self._run(batch)
            if ended:
                return

    def _take(self) -> tuple[list[tuple[Work, Future[Any]]], bool]:
        first = self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < _BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _run(self, batch: list[tuple[Work, Future[Any]]]) -> None:
        transaction: Transaction | None = None
        try:
            transaction = Transaction(self._open(), self._dialect, self._clock.now())
            outcomes = self._commit(transaction, batch)
        except Exception as error:
            self._rollback()
            if transaction is not None:
                transaction.forget_swaps()
                self._on_tables(transaction.written)
            failure = self._in_words(error)
            for _, future in batch:
                future.set_exception(failure)
            if isinstance(failure, OwnerError):
                self._guarded(self.on_lost)
            return
        self._on_tables(transaction.written)
        self._tell(transaction)
        for future, answer, failed in outcomes:
            if failed is not None:
                future.set_exception(failed)
            else:
                future.set_result(answer)
        self._checkpoint(len(batch))

    def _checkpoint(self, writes: int) -> None:
        """SQLite's log goes into the file after an answer. Left to itself, it does so within a commit: one in thirty would
        take three fsyncs and not one.
        """
        self._logged += writes
        connection = self._connection
        if self._logged < _LOGGED or connection is None or self._dialect.kind != "sqlite":
            return
        self._logged = 0
        self._guarded(lambda: connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())

    def _tell(self, transaction: Transaction) -> None:
        """A listener's fault is its own: it must not end the writer, and nobody's answer waits for ever."""
        if transaction.events:
            self._guarded(lambda: self._on_events(transaction.events))
        for callback in transaction.after:
            self._guarded(callback)

    def _guarded(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            _log.exception("what follows a commit met a fault")

    def _commit(
        self, transaction: Transaction, batch: list[tuple[Work, Future[Any]]]
    ) -> list[tuple[Future[Any], Any, BaseException | None]]:
        transaction.execute(self._dialect.begin)
        self._check_epoch(transaction)
        outcomes = [(future, *self._one(transaction, work)) for work, future in batch]
        transaction.finish()
        transaction.execute("COMMIT")
        self.commits += self._wrote()
        return outcomes

    def _wrote(self) -> bool:
        """Whether rows changed since the last commit: SQLite does not touch the disk for one that changes nothing."""
        changes = getattr(self._connection, "total_changes", self._changes + 1)
        changes, self._changes = self._changes != changes, changes
        return changes

    def _one(self, transaction: Transaction, work: Work) -> tuple[Any, BaseException | None]:
        events, after, swaps = len(transaction.events), len(transaction.after), len(transaction.swapped)
        shares = len(transaction.shares)
        transaction.execute("SAVEPOINT one")
        try:
            answer = work(transaction)
        except Exception as error:
            self._undo(transaction, events, after, error)
            transaction.forget_swaps(swaps)
            del transaction.shares[shares:]
            return (error.answer, None) if isinstance(error, DryRun) else (None, self._in_words(error))
        transaction.execute("RELEASE SAVEPOINT one")
        return answer, None

    def _undo(self, transaction: Transaction, events: int, after: int, error: Exception) -> None:
        try:
            transaction.execute("ROLLBACK TO SAVEPOINT one")
            transaction.execute("RELEASE SAVEPOINT one")
        except Exception:
            raise error from None  # the database itself rolled everything back: its disk is full, or it is gone
        transaction.forget_events(events)
        del transaction.after[after:]

    def _in_words(self, error: Exception) -> Exception:
        return as_error(error, where(self._location)) if from_database(error) else error

    def _check_epoch(self, transaction: Transaction) -> None:
        if not self.epoch:
            return
        lock = " FOR UPDATE" if self._dialect.kind != "sqlite" else ""
        rows = transaction.rows(f'SELECT "value" FROM "meta" WHERE "name"=?{lock}', ("epoch",))
        if not rows or int(rows[0][0]) != self.epoch:
            raise OwnerError(
                "this process no longer owns the engine: another one took over", hint="nebula status shows the owner"
            )

    def _rollback(self) -> None:
        """End what is open; a connection that cannot even do that is given up, and the next batch opens another one."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.cursor().execute("ROLLBACK")
        except Exception as error:
            if "no transaction" in str(error):
                return
            self._connection = None
            self._guarded(connection.close)

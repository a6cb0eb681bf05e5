"""The world's own SQLite file: one connection behind a lock, quick rather than safe from power loss, safe from SIGKILL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nebula.drivers.sim.schema import TABLES

BUSY_SECONDS = 30.0
MEMORY = ":memory:"
Row = tuple[Any, ...]


class _Write:
    """A stretch of writing: the same for all, since it keeps nothing."""

    def __init__(self, enter: Callable[[], None], leave: Callable[..., None]) -> None:
        self._enter, self._leave = enter, leave

    def __enter__(self) -> None:
        self._enter()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._leave(well=kind is None)


class Database:
    """One connection, used by any thread, one at a time; several processes may have the same file open."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._events = False
        self._writing = _Write(self._enter, self._leave)
        self.on_events: Callable[[], None] = lambda: None
        if path != MEMORY:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # opening one that is there would cost SQLite its locks on it
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self.write():
            for statement in _statements(TABLES):
                self._connection.execute(statement)

    def write(self) -> AbstractContextManager[None]:
        """One transaction, undone whole by an exception; a write inside a write is part of it."""
        return self._writing

    def _enter(self) -> None:
        self._lock.acquire()
        try:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        self._depth += 1

    def _leave(self, *, well: bool) -> None:
        try:
            self._depth -= 1
            if self._depth:
                return
            if well:
                self._commit()
            else:
                self._events = False
                self._connection.execute("ROLLBACK")
        finally:
            self._lock.release()

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        if self._events:
            self._events = False
            self.on_events()

    def one(self, sql: str, *values: object) -> Row | None:
        """The first row, or None."""
        with self._lock:
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, *values: object) -> list[Row]:
        """All rows."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, *values: object) -> int:
        """Change something; how many rows it changed."""
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, *values: object) -> int:
        """Insert a row; its id."""
        with self._lock:
            return int(self._connection.execute(sql, values).lastrowid or 0)

    def event(self, host: str, uuid: str, kind: str, reason: str, detail: str = "") -> None:
        """Put an event into the change table; those who follow it are woken by the commit."""
        self.run("INSERT INTO changes(host, uuid, kind, reason, detail) VALUES (?,?,?,?,?)", host, uuid, kind, reason, detail)
        self._events = True

    def violation(self, now: float, kind: str, words: str) -> None:
        """Record that something happened which must never happen."""
        self.run("INSERT INTO violations(at, kind, words) VALUES (?,?,?)", now, kind, words)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """The script's statements; a trigger's inner semicolons belong to it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

"""Lists read from the home's file alone: the same statement as the façade's, without an engine around it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from nebula.engine.api.tables import Listing, Query
from nebula.engine.filters import decode
from nebula.engine.listing import run
from nebula.errors import NebulaError


class Lists(Protocol):
    """Whoever else can list."""

    def list(self, noun: str, query: Query) -> Listing:
        """Rows of a noun."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class FileLists:
    """Reads of one SQLite file. `other` lists where the file lacks a table or a column: an older program made it."""

    def __init__(self, path: str, other: Callable[[], Lists]) -> None:
        self._other, self._path = other, path
        try:
            self._connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, timeout=10.0)
            self._connection.execute("PRAGMA case_sensitive_like=ON")
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(sql, tuple(parameters)).fetchall()

    def list(self, noun: str, query: Query) -> Listing:
        """See Noun.list of the façade; NebulaError for a file that cannot be read."""
        try:
            return run(self, noun, query, decode)
        except sqlite3.DatabaseError as error:
            if str(error).startswith("no such "):
                return self._elsewhere(noun, query)
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.DatabaseError) -> NebulaError:
        from nebula.engine.store.database import as_error

        return as_error(error, self._path)

    def _elsewhere(self, noun: str, query: Query) -> Listing:
        lists = self._other()
        try:
            return lists.list(noun, query)
        finally:
            lists.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _quoted(path: str) -> str:
    """A path within SQLite's URI; `urllib` would take longer to import than the list takes."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")

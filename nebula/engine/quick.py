"""Lists read from the home's file alone: the same statement as the façade's, without an engine around it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nebula.engine.api.tables import Listing, Query
from nebula.engine.filters import decode
from nebula.engine.listing import run
from nebula.errors import NebulaError


class FileLists:
    """Reads of one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=10.0)
        self._connection.execute("PRAGMA case_sensitive_like=ON")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(sql, tuple(parameters)).fetchall()

    def list(self, noun: str, query: Query) -> Listing:
        """See Noun.list of the façade; NebulaError for a file that cannot be read."""
        try:
            return run(self, noun, query, decode)
        except sqlite3.DatabaseError as error:
            raise NebulaError("the engine's database cannot be read", cause=str(error), hint="nebula db check") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

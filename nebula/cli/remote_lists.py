"""Lists through a socket that imports nothing but `socket` and `json`, or through whatever engine there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nebula.engine.api.tables import Listing, Query
from nebula.errors import UnreachableError
from nebula.rpc.plain import call

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine


class RemoteLists:
    """The owner's lists; the file's, where the owner does not answer and the file is ours to read."""

    def __init__(self, path: Path, file: Path) -> None:
        self._path, self._file = path, file

    def list(self, noun: str, query: Query) -> Listing:
        """See Lister.list."""
        try:
            columns, rows, as_of = call(self._path, f"{noun}.list", {"query": list(query)})
        except UnreachableError:
            if not os.access(self._file, os.R_OK):
                raise
            return self._from_file(noun, query)
        return Listing(tuple(columns), rows, as_of)

    def _from_file(self, noun: str, query: Query) -> Listing:
        from nebula.engine.quick import FileLists

        lists = FileLists(self._file)
        try:
            return lists.list(noun, query)
        finally:
            lists.close()

    def close(self) -> None:
        """Nothing stays open."""


class EngineLists:
    """Any engine's lists."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, noun: str, query: Query) -> Listing:
        """See Lister.list."""
        found: Listing = getattr(self._engine, f"{noun}s").list(query)
        return found

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

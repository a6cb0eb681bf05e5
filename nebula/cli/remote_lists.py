"""Lists through a socket that imports nothing but `socket` and `json`, or through whatever engine there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nebula.engine.api.tables import Listing, Query
from nebula.errors import OwnerError, UnreachableError
from nebula.rpc.plain import call

if TYPE_CHECKING:
    from nebula.cli.connect import Lister
    from nebula.engine.api.verbs import Engine


class RemoteLists:
    """The owner's lists; where it does not answer or is stopping, those of `fallback`, which raises if it has none either."""

    def __init__(self, path: str, fallback: Callable[[], Lister]) -> None:
        self._path, self._fallback = path, fallback

    def list(self, noun: str, query: Query) -> Listing:
        """See Lister.list."""
        try:
            columns, rows, as_of = call(self._path, f"{noun}.{_verb(noun)}", {"query": list(query)})
        except (OwnerError, UnreachableError):
            other = self._fallback()
            try:
                return other.list(noun, query)
            finally:
                other.close()
        return Listing(tuple(columns), rows, as_of)

    def close(self) -> None:
        """Nothing stays open."""


class EngineLists:
    """Any engine's lists."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, noun: str, query: Query) -> Listing:
        """See Lister.list."""
        from nebula.cli.nouns import part

        found: Listing = getattr(part(self._engine, noun), _verb(noun))(query)
        return found

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def _verb(noun: str) -> str:
    """Events had another `list` before they were listed like everything else."""
    return "table" if noun == "event" else "list"

"""The verbs of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from nebula.engine.api.values import Event, Listing, Query
from nebula.engine.api.verbs.answers import Happened


class Events(Protocol):
    """Events."""

    def list(self, after: int = 0, limit: int = 1000) -> Happened: ...
    def table(self, query: Query) -> Listing:
        """Those that fit the query, as rows; the newest come first."""
        ...

    def follow(self, after: int = -1) -> Iterator[Event | None]:
        """Events as they come, from that sequence on (-1: from now); None now and then while nothing happens, so that
        the caller can look around.
        """
        ...

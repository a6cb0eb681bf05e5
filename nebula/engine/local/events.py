"""Events of the façade: read, and followed as they come."""

from __future__ import annotations

import queue
from collections.abc import Iterator

from nebula.engine.api.values import Event, Listing, Query
from nebula.engine.filters import decode
from nebula.engine.listing import run
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow

_QUIET = 0.5
"""Seconds without an event after which a follower gets None."""


class LocalEvents:
    """See nebula.engine.api.verbs.Events."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def list(self, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events after a sequence number, oldest first."""
        rows = self._store.read().select(EventRow, '"id">? ORDER BY "id" LIMIT ?', (after, max(1, min(limit, 10_000))))
        return [as_event(row) for row in rows]

    def table(self, query: Query) -> Listing:
        """See Events.table."""
        return run(self._store.read(), "event", query, decode)

    def last(self) -> int:
        """The newest sequence number."""
        return int(self._store.read().rows('SELECT COALESCE(MAX("id"),0) FROM "event"')[0][0])

    def follow(self, after: int = -1) -> Iterator[Event | None]:
        """See Events.follow. What another process wrote (the owner, where we only read the file) is looked for while
        nothing comes.
        """
        fresh: queue.SimpleQueue[list[EventRow]] = queue.SimpleQueue()
        stop = self._store.listen(fresh.put)
        try:
            seen = self.last() if after < 0 else after
            while after >= 0 and (missed := self.list(seen, 1000)):
                seen = missed[-1].seq
                yield from missed
            while True:
                try:
                    rows = fresh.get(timeout=_QUIET)
                    fresh_events = [as_event(row) for row in rows]
                except queue.Empty:
                    fresh_events = self.list(seen)
                    if not fresh_events:
                        yield None
                for event in fresh_events:
                    if event.seq > seen:
                        seen = event.seq
                        yield event
        finally:
            stop()


def as_event(row: EventRow) -> Event:
    """A stored event as people see it."""
    return Event(
        seq=row.id, at=row.at, kind=row.kind, object_kind=row.object_kind, object_id=row.object_id,
        actor=row.actor, body=row.body,
    )  # fmt: skip

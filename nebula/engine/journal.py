"""What is written with every change is kept for a while only: answered requests, events, jobs that ended, VMs that are gone.

Looked for outside the writer, deleted by it a few rows at a time, so that no verb waits long. What grows only when
something is written is looked at only then: an idle engine does nothing here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any

from nebula.clock import Clock
from nebula.engine.follower import Follower
from nebula.engine.lifecycle.states import VmState
from nebula.engine.services import Services
from nebula.engine.settings import Settings
from nebula.engine.store.rows import EventRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import NebulaError, OwnerError

_log = logging.getLogger(__name__)
_BATCH = 200
"""Rows that one write deletes of a table."""
_EVERY = 1000
"""Events after which the journals are looked at again."""
_ENDED_JOBS = """
SELECT "id" FROM "job" WHERE "id"<=? AND "state" IN ('done','failed','cancelled')
AND NOT EXISTS (SELECT 1 FROM "job" AS "part" WHERE "part"."parent_id"="job"."id"
  AND "part"."state" NOT IN ('done','failed','cancelled'))
AND ("target_kind"<>'vm' OR NOT EXISTS (SELECT 1 FROM "vm" WHERE "vm"."id"="job"."target_id" AND "vm"."state"<>?)
  OR EXISTS (SELECT 1 FROM "job" AS "later" WHERE "later"."target_kind"='vm'
    AND "later"."target_id"="job"."target_id" AND "later"."id">"job"."id"))
ORDER BY "id" LIMIT ?"""
"""Not an open one, nor one with open parts, nor the last one of a VM that there is."""
_GONE_VMS = 'SELECT "id" FROM "vm" WHERE "state"=? AND "job_id"=0 ORDER BY "since" DESC, "id" DESC LIMIT ? OFFSET ?'


class Journals(Follower):
    """Keeps them in bounds while an engine works."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, "nebula-journals")
        self._written = _EVERY

    def _on_events(self, events: list[EventRow]) -> None:
        with self._changed:
            self._written += len(events)
            if self._written >= _EVERY:
                self._changed.notify_all()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._written >= _EVERY)
                if self._stopped:
                    return
                self._written = 0
            try:
                trim(self._services.store, self._services.settings, self._services.clock, lambda: self._stopped)
            except OwnerError:
                return
            except NebulaError as error:
                _log.warning("the journals were not trimmed: %s", error)


def trim(store: Store, settings: Settings, clock: Clock, stopped: Callable[[], bool] = lambda: False) -> None:
    """Delete what is kept no longer, until nothing is left to delete or `stopped`."""
    oldest = clock.now() - settings.request_memory
    _drain(store, lambda read: _requests(read, oldest), {"request": "id"}, stopped)
    _drain(store, lambda read: _events(read, settings.event_memory), {"event": "id"}, stopped)
    _drain(store, lambda read: _jobs(read, settings.job_memory), {"job_log": "job_id", "job": "id"}, stopped)
    _drain(store, lambda read: _vms(read, settings.done_memory), {"history": "vm_id", "vm": "id"}, stopped)


def _drain(store: Store, find: Callable[[Queries], list[int]], tables: dict[str, str], stopped: Callable[[], bool]) -> None:
    """`tables`: table -> the column that holds the ids found."""
    for ids in _batches(store, find, stopped):

        def work(tx: Transaction, ids: list[int] = ids) -> None:
            for table, column in tables.items():
                tx.execute(f'DELETE FROM "{table}" WHERE "{column}" IN ({", ".join("?" * len(ids))})', ids)

        store.write(work)


def _batches(store: Store, find: Callable[[Queries], list[int]], stopped: Callable[[], bool]) -> Iterator[list[int]]:
    while not stopped() and (ids := find(store.read())):
        yield ids


def _requests(read: Queries, before: float) -> list[int]:
    rows = read.rows('SELECT "id", "at" FROM "request" ORDER BY "id" LIMIT ?', (_BATCH,))
    return _ids(takewhile(lambda row: row[1] < before, rows))


def _events(read: Queries, kept: int) -> list[int]:
    return _ids(
        read.rows('SELECT "id" FROM "event" WHERE "id"<=? ORDER BY "id" LIMIT ?', (_newest(read, "event") - kept, _BATCH))
    )


def _jobs(read: Queries, kept: int) -> list[int]:
    return _ids(read.rows(_ENDED_JOBS, (_newest(read, "job") - kept, int(VmState.DONE), _BATCH)))


def _vms(read: Queries, kept: int) -> list[int]:
    return _ids(read.rows(_GONE_VMS, (int(VmState.DONE), _BATCH, kept)))


def _newest(read: Queries, table: str) -> int:
    return int(read.rows(f'SELECT COALESCE(MAX("id"),0) FROM "{table}"')[0][0])


def _ids(rows: Iterable[tuple[Any, ...]]) -> list[int]:
    return [int(row[0]) for row in rows]

"""What every noun of the façade does: find the object, write in one transaction, remember the answer, file the job."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from nebula.engine.api.values import Accepted, Call, Listing, Query
from nebula.engine.filters import decode
from nebula.engine.jobs.runner import Runner
from nebula.engine.listing import run
from nebula.engine.services import Services
from nebula.engine.store.rows import JobRow, RequestRow
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import DryRun
from nebula.errors import NotFoundError, UsageError
from nebula.names import check_name

R = TypeVar("R", bound=Row)
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")


class Noun:
    """Base of the façade's nouns."""

    noun = ""

    def __init__(self, services: Services, runner: Runner) -> None:
        self._services = services
        self._runner = runner

    @property
    def _store(self):  # type: ignore[no-untyped-def]
        return self._services.store

    def list(self, query: Query) -> Listing:
        """Rows of this noun."""
        return run(self._store.read(), self.noun, query, decode)

    def _change(self, call: Call, work: Callable[[Transaction], Accepted]) -> Accepted:
        """Run `work` in one transaction; the same key gets the same answer; a dry run is rolled back."""
        if call.key and not _KEY.fullmatch(call.key):
            raise UsageError("a request's key is 1 to 64 letters, digits and -", cause=f"got {call.key[:40]!r}")

        def whole(tx: Transaction) -> Accepted:
            key = f"{call.actor}/{self.noun}/{call.key}"[:255]
            known = tx.first(RequestRow, '"name"=?', (key,)) if call.key else None
            if known is not None:
                return msgspec.convert(known.answer, Accepted)
            accepted = work(tx)
            if call.dry_run:
                would = accepted.would or tuple(f"{event.kind} {event.object_kind} {event.object_id}" for event in tx.events)
                raise DryRun(msgspec.structs.replace(accepted, would=would, job_id=0))
            if call.key:
                tx.insert(RequestRow(name=key, at=tx.now, answer=msgspec.to_builtins(accepted)))
            return accepted

        accepted: Accepted = self._store.write(whole)
        return accepted

    def _file(
        self,
        tx: Transaction,
        kind: str,
        target_id: int,
        call: Call,
        args: Mapping[str, Any],
        *,
        target_kind: str = "",
        parent: int = 0,
    ) -> JobRow:
        """A durable job, started when the transaction is."""
        job = tx.insert(
            JobRow(
                kind=kind,
                target_kind=target_kind or self.noun,
                target_id=target_id,
                created=tx.now,
                actor=call.actor,
                args=dict(args),
                parent_id=parent,
            )
        )
        tx.event("job.filed", "job", job.id, actor=call.actor, kind=kind, target=[job.target_kind, target_id])
        tx.after_commit(lambda: self._runner.submit(job))
        return job


def resolve(queries: Queries, kind: type[R], ref: str, *, condition: str = "") -> R:
    """The row that a person means: by id or by name. NotFoundError offers names that are close."""
    tail = f" AND {condition}" if condition else ""
    text = str(ref).strip()
    if text.isdecimal() and len(text) < 19:
        found = queries.first(kind, '"id"=?', (int(text),))
        if found is not None:
            return found
    rows = queries.select(kind, f'"name"=?{tail} ORDER BY "id"', (text[:255],))
    if len(rows) == 1:
        return rows[0]
    noun = kind._table
    if rows:
        from nebula.errors import ConflictError

        ids = ", ".join(str(row.id) for row in rows[:10])
        raise ConflictError(f"{len(rows)} {noun}s are called {text}", cause=f"their ids: {ids}", hint="name it by its id")
    raise NotFoundError(f"there is no {noun} {text[:80]!r}", hint=_close(queries, noun, text) or f"nebula {noun} list")


def _close(queries: Queries, noun: str, text: str) -> str:
    names = [str(row[0]) for row in queries.rows(f'SELECT "name" FROM "{noun}" ORDER BY "id" DESC LIMIT 2000')]
    close = difflib.get_close_matches(text, dict.fromkeys(names), n=3, cutoff=0.6)
    return f"did you mean {', '.join(close)}?" if close else ""


def free_name(tx: Transaction, kind: type[Row], name: str, *, but: int = 0) -> str:
    """The name, checked and not taken; UsageError or ConflictError otherwise."""
    from nebula.errors import ConflictError

    checked = check_name(kind._table, name)
    if tx.count(kind, '"name"=? AND "id"<>?', (checked, but)):
        raise ConflictError(f"a {kind._table} called {checked} exists already", hint=f"nebula {kind._table} list")
    return checked

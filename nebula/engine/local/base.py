"""What every noun of the façade does: find the object, write in one transaction, remember the answer, file the job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from nebula import typed
from nebula.engine.api.values import Accepted, Call, Finding, Listing, Query
from nebula.engine.filters import decode
from nebula.engine.jobs.runner import Runner
from nebula.engine.lifecycle.states import HostState
from nebula.engine.listing import run
from nebula.engine.local.access import (
    OWNED,
    Condition,
    Right,
    level_of,
    may,
    mode_of,
    mode_text,
    permitted,
    require,
    seen_jobs,
    seen_schedules,
)
from nebula.engine.local.attributes import with_attributes
from nebula.engine.people import ENGINE, Person
from nebula.engine.services import Services
from nebula.engine.store.rows import (
    ClusterRow,
    DatastoreRow,
    EventRow,
    HostRow,
    ImageRow,
    JobRow,
    NetworkRow,
    Owned,
    RequestRow,
    ScheduleRow,
    SecurityGroupRow,
    TemplateRow,
    VmGroupRow,
    VmRow,
)
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import DryRun
from nebula.errors import ConflictError, NebulaError, NotFoundError, UsageError
from nebula.names import check_name, near

if TYPE_CHECKING:
    from nebula.drivers.base import HostHandle
    from nebula.model.host import Finding as HostFinding

R = TypeVar("R", bound=Row)
Mine = TypeVar("Mine", bound=Owned)
_EVERYTHING = Condition("1=1", ())
Findings = list[Finding]
Named = ClusterRow | HostRow | DatastoreRow | ImageRow | NetworkRow | VmGroupRow | TemplateRow | ScheduleRow | SecurityGroupRow
"""Rows whose name is theirs alone."""
LABEL = "label"
"""In a row's body: the set of declarations that it was made for."""
_BEARERS: dict[str, type[Row]] = {
    row._table: row
    for row in (
        *(ClusterRow, HostRow, DatastoreRow, ImageRow, NetworkRow),
        *(VmGroupRow, VmRow, TemplateRow, SecurityGroupRow),
    )
}
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")


class Noun:
    """Base of the façade's nouns. `person` is who asks, and `permit` is asked within the transaction of each write: both
    are the guard's, which gives a noun of its own to each call of somebody who may not do everything.
    """

    noun = ""
    person: Person = ENGINE
    permit: Callable[[Transaction], object] | None = None

    def __init__(self, services: Services, runner: Runner) -> None:
        self._services = services
        self._runner = runner

    @property
    def _store(self):  # type: ignore[no-untyped-def]
        return self._services.store

    def list(self, query: Query) -> Listing:
        """Rows of this noun."""
        return run(self._store.read(), self.noun, query, decode, self._seen())

    def _seen(self) -> Condition:
        """The rows of this noun that may be listed."""
        if self.person.admin:
            return _EVERYTHING
        if self.noun in OWNED:
            return permitted(self.person, self.noun)
        special = {"job": seen_jobs, "schedule": seen_schedules}.get(self.noun)
        return special(self.person) if special else _EVERYTHING

    def _belongs(self, call: Call) -> dict[str, Any]:
        """Whose a new object is."""
        return {"owner": call.actor, "group": self._services.people.group_of(call.actor)}

    def _change(self, call: Call, work: Callable[[Transaction], Accepted]) -> Accepted:
        """Run `work` in one transaction; the same key gets the same answer; a dry run is rolled back."""
        if call.key and not _KEY.fullmatch(call.key):
            raise UsageError("a request's key is 1 to 64 letters, digits and -", cause=f"got {call.key[:40]!r}")

        def whole(tx: Transaction) -> Accepted:
            known = self.answered(tx, call)
            if known is not None:
                return known
            if self.permit is not None:
                self.permit(tx)
            before = len(tx.events)  # others' may be there: who waits together is written together
            accepted = work(tx)
            if call.dry_run:
                would = accepted.would or tuple(_would(event) for event in tx.events[before:])
                raise DryRun(msgspec.structs.replace(accepted, would=would, job_id=0))
            if call.label:
                bear(tx, accepted, call.label)
            if call.key:
                tx.insert(RequestRow(name=self._request(call), at=tx.now, answer=msgspec.to_builtins(accepted)))
            return accepted

        accepted: Accepted = self._store.write(whole)
        return accepted

    def answered(self, queries: Queries, call: Call) -> Accepted | None:
        """What the same request was answered before."""
        known = queries.first(RequestRow, '"name"=?', (self._request(call),)) if call.key else None
        return typed.convert(known.answer, Accepted) if known is not None else None

    def _request(self, call: Call) -> str:
        return f"{call.actor}/{self.noun}/{call.key}"[:255]

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

    def _told(self, tx: Transaction, row: Named, what: str, call: Call, **facts: Any) -> Accepted:
        """The event that says what became of the object, and the answer."""
        tx.event(f"{self.noun}.{what}", self.noun, row.id, actor=call.actor, name=row.name, **facts)
        return Accepted(kind=self.noun, id=row.id, name=row.name)

    def _rename(
        self,
        kind: type[Named],
        ref: str,
        name: str,
        call: Call,
        *,
        along: Callable[[Any, str], Mapping[str, Any]] | None = None,
    ) -> Accepted:
        """Another name, unless it is taken; `along` says what else of the row goes with it."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, kind, ref)
            tx.swap(row, **(along(row, name) if along else {}), name=free_name(tx, kind, name, but=row.id))
            return self._told(tx, row, "renamed", call)

        return self._change(call, work)

    def _set_attributes(
        self,
        kind: type[Named],
        ref: str,
        changes: Mapping[str, Any],
        call: Call,
        *,
        check: Callable[[Queries, Mapping[str, Any]], None] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Accepted:
        """What `update` does where attributes are most of what changes: `check` raises for what they must not be, and
        `settings`, checked already, go beside them.
        """
        settings = settings or {}
        unknown = set(changes) - {"attributes", *settings}
        if unknown:
            raise UsageError(f"a {self.noun} has no {min(unknown)[:60]!r} to change", hint="--set KEY=VALUE")

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, kind, ref)
            body = {**with_attributes(row.body, changes.get("attributes") or {}), **settings}
            if check is not None:
                check(tx, body["attributes"])
            tx.swap(row, body=body)
            return self._told(tx, row, "updated", call, changed=sorted(changes))

        return self._change(call, work)

    def _ask_hosts(self, ask: Callable[[HostHandle], Sequence[HostFinding]], *, cluster: int = -1) -> Findings:
        """What every host that can be used, of one cluster or of all (-1), says of the object; one that cannot be asked
        is a finding too.
        """
        found: list[Finding] = []
        for host in self._store.read().select(HostRow, '"state"=? ORDER BY "id"', (int(HostState.MONITORED),)):
            if cluster > 0 and host.cluster_id != cluster:
                continue
            try:
                seen = ask(self._services.pool.handle(host))
            except NebulaError as error:
                found.append(Finding(where=host.name, check=self.noun, level="error", text=str(error), fix=error.hint))
                continue
            found.extend(Finding(where=host.name, **msgspec.to_builtins(item)) for item in seen)
        return found

    def _cancel(self, tx: Transaction, job: JobRow, call: Call, reason: str = "") -> None:
        """The job stops once the transaction is durable, and undoes what it did."""
        tx.change(job, cancel=1)  # not by generation: the running job writes its own row
        words, begun = reason or f"cancelled by {call.actor or 'a person'}", bool(job.started)
        tx.event("job.cancel", "job", job.id, actor=call.actor, reason=words)
        tx.after_commit(lambda: self._runner.cancel(job.id, words, begun=begun))


class OwnedNoun(Noun):
    """Of objects that belong to somebody; `kind` is their row."""

    kind: type[Owned] = Owned

    def chown(self, ref: str, owner: str, call: Call) -> Accepted:
        """See nebula.engine.api.verbs.Belongings."""
        if not self._services.people.has_user(owner):
            raise NotFoundError(f"there is no user {owner[:60]!r} on the engine's machine", hint="getent passwd")
        return self._hand_over(ref, call, "owner", owner)

    def chgrp(self, ref: str, group: str, call: Call) -> Accepted:
        """See nebula.engine.api.verbs.Belongings."""
        if not self._services.people.has_group(group):
            raise NotFoundError(f"there is no group {group[:60]!r} on the engine's machine", hint="getent group")
        return self._hand_over(ref, call, "group", group)

    def chmod(self, ref: str, mode: str, call: Call) -> Accepted:
        """See nebula.engine.api.verbs.Belongings."""
        return self._hand_over(ref, call, "mode", mode_of(mode))

    def lock(self, ref: str, level: str, call: Call) -> Accepted:
        """See nebula.engine.api.verbs.Belongings."""
        return self._lock(ref, call, "locked", {"locked": level_of(level), "locked_by": call.actor})

    def unlock(self, ref: str, call: Call) -> Accepted:
        """See nebula.engine.api.verbs.Belongings."""
        return self._lock(ref, call, "unlocked", {"locked": "", "locked_by": ""})

    def _lock(self, ref: str, call: Call, happened: str, values: Mapping[str, str]) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, self.kind, ref, condition='"state"<>6' if self.noun == "vm" else "")
            name = str(getattr(row, "name", ""))
            tx.swap(row, **values, locked_at=int(tx.now) if values["locked"] else 0)
            tx.event(f"{self.noun}.{happened}", self.noun, row.id, actor=call.actor, name=name, level=values["locked"])
            return Accepted(kind=self.noun, id=row.id, name=name)

        return self._change(call, work)

    def _hand_over(self, ref: str, call: Call, column: str, value: str | int) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, self.kind, ref, condition='"state"<>6' if self.noun == "vm" else "")
            return handed_over(tx, row, column, value, call)

        return self._change(call, work)


def handed_over(tx: Transaction, row: Owned, column: str, value: str | int, call: Call) -> Accepted:
    """The object has another owner, group or mode, with its event."""
    noun, name = row._table, str(getattr(row, "name", ""))
    before, after = (mode_text(at) if isinstance(at, int) else at for at in (getattr(row, column), value))
    would = f"{column} of {noun} {name} ({row.id}): {before or 'none'} to {after}"
    tx.swap(row, **{column: value})
    tx.event(f"{noun}.updated", noun, row.id, actor=call.actor, name=name, changed=[column])
    return Accepted(kind=noun, id=row.id, name=name, would=(would,) if call.dry_run else ())


def bear(tx: Transaction, accepted: Accepted, label: str) -> None:
    """The new object is remembered as made for a set of declarations: in its own row, so that the mark goes with it."""
    row: Any = tx.get(_BEARERS[accepted.kind], accepted.id)
    tx.swap(row, body={**row.body, LABEL: label})


def _would(event: EventRow) -> str:
    """What an event that did not happen would have said: VM web (3): RUNNING to POWEROFF."""
    noun, _, happened = event.kind.partition(".")
    body = event.body
    if event.kind == "job.filed":
        return f"start job {body.get('kind')}"
    name = f"{body['name']} ({event.object_id})" if body.get("name") else str(event.object_id)
    states = [str(body[key]) for key in ("before", "after", "state") if body.get(key)]
    about = f" {body['address']}" if body.get("address") else ""
    return f"{'VM' if noun == 'vm' else noun} {name}: {_change_in_words(happened, states)}{about}"


def _change_in_words(happened: str, states: Sequence[str]) -> str:
    """Nobody shall read that it was done: RUNNING to POWEROFF, would be DISABLED, would be renamed, would hold."""
    if happened == "state" and states:
        return " to ".join(states) if len(states) > 1 else f"would be {states[0]}"
    return f"would {'be ' if happened.endswith(('ed', 'set')) else ''}{happened.replace('_', ' ')}"


def resolve(queries: Queries, kind: type[R], ref: str, *, condition: str = "", seen: Condition = _EVERYTHING) -> R:
    """The row that a person means: by id or by name, `condition` holds for those that a name may mean. `seen`: of these
    alone. NotFoundError offers names that are close.
    """
    tail = (f" AND {condition}" if condition else "") + f" AND {seen.sql}"
    text = str(ref).strip()
    if text.isascii() and text.isdecimal() and len(text) < 19:
        found = queries.first(kind, f'"id"=? AND {seen.sql}', (int(text), *seen.parameters))
        if found is not None:
            return found
    rows = queries.select(kind, f'"name"=?{tail} ORDER BY "id"', (text[:255], *seen.parameters))
    if len(rows) == 1:
        return rows[0]
    noun = kind._table
    if rows:
        ids = ", ".join(str(row.id) for row in rows[:10])
        raise ConflictError(f"{len(rows)} {noun}s are called {text}", cause=f"their ids: {ids}", hint="name it by its id")
    raise NotFoundError(f"there is no {noun} {text[:80]!r}", hint=_close(queries, noun, text, seen) or f"nebula {noun} list")


def usable(
    queries: Queries,
    kind: type[Mine],
    ref: str,
    person: Person,
    right: Right = Right.USE,
    *,
    ended: bool = False,
    despite_lock: bool = False,
) -> Mine:
    """The object that a person means by an id or a name, on which they have the right: of several of one name, those that
    they may use are meant. `ended`: a VM that is gone may be, too. `despite_lock`: locks do not matter. NotFoundError,
    ConflictError, DeniedError.
    """
    live = "" if ended or kind._table != "vm" else '"state"<>6'
    if person.admin:
        return resolve(queries, kind, ref, condition=live)
    try:
        row = resolve(queries, kind, ref, condition=live, seen=permitted(person, kind._table))
    except (NotFoundError, ConflictError):
        others = _named(queries, kind, ref)
        if not others or any(may(person, other, Right.USE) for other in others):
            raise
        row = others[0]
    require(person, row, right, str(getattr(row, "name", "")), despite_lock=despite_lock)
    return row


def _named(queries: Queries, kind: type[Mine], ref: str) -> list[Mine]:
    text = str(ref).strip()
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return list(queries.select(kind, '"id"=?', (int(text),)))
    return list(queries.select(kind, '"name"=? ORDER BY "id" LIMIT 2', (text[:255],)))


def _close(queries: Queries, noun: str, text: str, seen: Condition) -> str:
    sql = f'SELECT "name" FROM "{noun}" WHERE {seen.sql} ORDER BY "id" DESC LIMIT 2000'
    names = [str(row[0]) for row in queries.rows(sql, seen.parameters)]
    close = near(text, names)
    return f"did you mean {', '.join(close)}?" if close else ""


def free_name(tx: Transaction, kind: type[Row], name: str, *, but: int = 0) -> str:
    """The name, checked and not taken; UsageError or ConflictError otherwise."""
    checked = check_name(kind._table, name)
    if tx.count(kind, '"name"=? AND "id"<>?', (checked, but)):
        raise ConflictError(f"a {kind._table} called {checked} exists already", hint=f"nebula {kind._table} list")
    return checked

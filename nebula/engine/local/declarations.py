"""Declarations of the façade: documents compared with what exists, and made so by the other nouns' verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail, Difference
from nebula.engine.api.verbs import Engine
from nebula.engine.declare import plan
from nebula.engine.declare.kind import Kind, calls_of
from nebula.engine.declare.registry import KINDS, kind_named
from nebula.engine.local.access import Right, may
from nebula.engine.local.base import LABEL
from nebula.engine.people import ENGINE, Person
from nebula.engine.services import Services
from nebula.engine.store.rows import Owned
from nebula.errors import ConflictError, NotFoundError
from nebula.names import check_name


class LocalDeclarations:
    """See nebula.engine.api.verbs.Declarations. `person` declares what they may change, through the `engine` as they see it."""

    def __init__(self, services: Services, engine: Engine, person: Person = ENGINE) -> None:
        self._services = services
        self._engine = engine
        self._person = person

    def export(self, kinds: Sequence[str] = ()) -> list[Detail]:
        """See Declarations.export."""
        queries = self._services.store.read()
        wanted = {kind_named(name).name for name in kinds}
        return [
            Detail(kind=kind.name, id=row.id, name=row.name, body=plan.exported(queries, kind, row))
            for kind in KINDS
            if not wanted or kind.name in wanted
            for row in kind.rows(queries)
            if self._mine(row)
        ]

    def compare(self, documents: Sequence[Mapping[str, Any]], label: str = "", prune: bool = False) -> list[Difference]:
        """See Declarations.compare."""
        queries = self._services.store.read()
        given = plan.checked(documents)
        found = [plan.difference(queries, kind, document, self._mine) for kind, document in given]
        return found + (plan.left_over(queries, given, _label(label), self._mine) if prune else [])

    def make(self, document: Mapping[str, Any], call: Call) -> Accepted:
        """See Declarations.make."""
        if call.label:
            _label(call.label)
        kind, given = plan.one(document, "the document")
        queries = self._services.store.read()
        found = plan.difference(queries, kind, given, self._mine)
        if found.refused:
            raise ConflictError(f"{kind.name} {found.name}: {found.refused}", hint=f"nebula {kind.name} show {found.name}")
        calls = calls_of(call)
        if found.action == "create":
            return kind.create(self._engine, given, calls)
        there = Accepted(kind=kind.name, id=found.id, name=found.name, job_id=0 if call.dry_run else found.job_id)
        return self._change(kind, given, found, msgspec.structs.replace(call, label="")) if found.action else there

    def remove(self, kind: str, ref: str, label: str, call: Call) -> Accepted:
        """See Declarations.remove."""
        which = kind_named(kind)
        rows = {str(row.id): row for row in which.rows(self._services.store.read()) if self._mine(row)}
        row = rows.get(ref) or next((row for row in rows.values() if row.name == ref), None)
        if row is None:
            raise NotFoundError(f"there is no {kind} {ref[:80]!r}", hint=f"nebula {kind} list")
        if not label or row.body.get(LABEL) != label:
            raise ConflictError(
                f"{kind} {row.name} does not belong to {label[:60]!r}: it is not removed with it",
                cause=f"it belongs to {row.body[LABEL]!r}" if row.body.get(LABEL) else "it was not made by apply",
                hint=f"nebula {kind} show {row.id}",
            )
        return which.remove(self._engine, row, msgspec.structs.replace(call, label=""))

    def _mine(self, row: Any) -> bool:
        if self._person.admin:
            return True
        return isinstance(row, Owned) and may(self._person, row, Right.MANAGE)

    def _change(self, kind: Kind, document: Mapping[str, Any], found: Difference, call: Call) -> Accepted:
        queries = self._services.store.read()
        row = queries.get(kind.row, found.id)
        before, after = plan.both(queries, kind, row, dict(document))
        calls = calls_of(call)
        changed = frozenset(plan.top(change.path) for change in found.changes) & {*before, *after}  # trouble is no setting
        accepted = Accepted(kind=kind.name, id=found.id, name=found.name)
        if changed:
            accepted = kind.update(self._engine, row, before, after, changed, calls)
        if not accepted.job_id and kind.trouble(row):
            return kind.mend(self._engine, row, dict(document), calls)
        return accepted


def _label(label: str) -> str:
    return check_name("set", label)

"""The engine as one person sees it: every verb goes through its rule first, and writes check the right once more within
their transaction.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from nebula.engine.api.tables import Listing
from nebula.engine.api.values import Event
from nebula.engine.filters import decode
from nebula.engine.listing import run
from nebula.engine.local.access import PUBLIC, Right, locked, may, mode_of, needed_to_set, permitted, require, seen_events
from nebula.engine.local.base import Noun, resolve, usable
from nebula.engine.local.declarations import LocalDeclarations
from nebula.engine.local.rules import KINDS, RULES, Rule, right_to
from nebula.engine.machines.template import regular
from nebula.engine.people import Person
from nebula.engine.store.rows import ImageRow, JobRow, NetworkRow, ScheduleRow, VmRow
from nebula.engine.store.rows.owned import Owned
from nebula.engine.store.transaction import Queries
from nebula.engine.templates.restricted import require_unrestricted
from nebula.errors import DeniedError

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine
    from nebula.engine.local.engine import LocalEngine

Arguments = dict[str, Any]
_ENDED = frozenset({"show", "log", "history"})
"""Verbs for which a VM that is gone may be named."""
_BLOCKS = {"disk": "DISK", "nic": "NIC", "card": "NIC", "pci": "PCI"}
"""Arguments that are one such group."""
_PARTS: dict[str, tuple[tuple[str, type[Owned]], ...]] = {
    "DISK": (("IMAGE", ImageRow), ("IMAGE_ID", ImageRow)),
    "NIC": (("NETWORK", NetworkRow), ("NETWORK_ID", NetworkRow)),
}
_OWNED = {kind._table: kind for kind in KINDS.values()}


class Seen:
    """The façade for a person who is no administrator. Nouns are made as they are asked for."""

    def __init__(self, engine: LocalEngine, person: Person) -> None:
        self._engine, self._person = engine, person

    def __getattr__(self, noun: str) -> _Guarded:
        if noun not in RULES:
            raise AttributeError(noun)
        found = _Guarded(self._engine, self._person, noun)
        setattr(self, noun, found)
        return found

    def close(self) -> None:
        """The engine is not this person's to close."""


def seen_by(engine: LocalEngine, person: Person) -> Engine:
    """The engine, for an administrator the whole of it."""
    return cast("Engine", engine if person.admin else Seen(engine, person))


class _Guarded:
    """One noun."""

    def __init__(self, engine: LocalEngine, person: Person, noun: str) -> None:
        self._engine, self._person, self._noun = engine, person, noun

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.startswith("_"):
            raise AttributeError(verb)
        rule = RULES[self._noun].get(verb, Rule())
        return lambda *given, **named: self._call(verb, rule, given, named)

    def _call(self, verb: str, rule: Rule, given: tuple[Any, ...], named: Arguments) -> Any:
        noun = copy.copy(getattr(self._engine, self._noun))
        method = getattr(noun, verb)
        arguments = dict(inspect.signature(method).bind(*given, **named).arguments)
        if isinstance(noun, Noun):
            noun.person = self._person
            known = noun.answered(self._engine.services.store.read(), arguments["call"]) if "call" in arguments else None
            if known is not None:
                return known
        asking = _Asking(self._engine, self._person, self._noun, verb, noun)
        if rule.special:
            return getattr(asking, rule.special)(method, arguments)
        if rule.right is not None:
            asking.need(rule.right, arguments, despite_lock=rule.despite_lock)
        elif not rule.everybody:
            raise asking.refused()
        if self._noun == "vms":
            asking.check_attributes(arguments)
        return method(**arguments)


class _Asking:
    """Somebody who wants something. The methods are what `Rule.special` names."""

    def __init__(self, engine: LocalEngine, person: Person, plural: str, verb: str, noun: Any) -> None:
        self._engine, self._person, self._plural, self._verb, self._noun = engine, person, plural, verb, noun

    @property
    def _queries(self) -> Queries:
        return self._engine.services.store.read()

    def refused(self, what: str = "") -> DeniedError:
        """For what only administrators may."""
        return DeniedError(
            f"only an administrator may {what or f'{self._verb} {self._plural}'.replace('_', ' ')}",
            cause=f"{self._person.name or 'nobody'} is neither root nor the engine's own user",
            hint=f"sudo nebula {self._plural.removesuffix('s')} {self._verb.replace('_', '-')} …",
        )

    def need(self, right: Right, arguments: Arguments, *, despite_lock: bool = False) -> Owned:
        """The object that is meant, on which the person has the right; from here on its id is its name."""
        kind = KINDS[self._plural]
        ended, ref = self._verb in _ENDED, str(arguments["ref"])
        row = usable(self._queries, kind, ref, self._person, right, ended=ended, despite_lock=despite_lock)
        arguments["ref"] = str(row.id)
        self._noun.permit = lambda queries: _again(queries, kind, row.id, self._person, right, despite_lock=despite_lock)
        return row

    def check_attributes(self, arguments: Arguments) -> None:
        """What a VM is made of or gets: nothing that only administrators may set, no image or network of which the person may
        not make use.
        """
        vm = self._queries.get(VmRow, int(arguments["ref"])) if "ref" in arguments else None
        base = vm.body.get("template", {}) if vm is not None else {}
        for name, value in arguments.items():
            if not isinstance(value, Mapping):
                continue
            block = "NIC" if (self._verb, name) == ("nic_update", "changes") else _BLOCKS.get(name, "")
            given = regular({block: value} if block else value)
            require_unrestricted(self._person, given, {} if block else base)
            for key, kind in _PARTS.get(block, ()):
                for group in given[block]:
                    if group.get(key) not in (None, ""):
                        usable(self._queries, kind, str(group[key]), self._person)

    # --- what needs more than a right

    def chmod(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """The bits of administration are for those who have them."""
        row = self.need(Right.MANAGE, arguments)
        self.need(needed_to_set(row, mode_of(str(arguments["mode"]))), arguments)
        return method(**arguments)

    def chgrp(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """To a group of one's own."""
        self.need(Right.MANAGE, arguments)
        if str(arguments["group"]) not in self._person.groups:
            raise DeniedError(
                f"{self._person.name} is not in group {str(arguments['group'])[:60]!r}",
                hint=f"one of: {', '.join(sorted(self._person.groups))}",
            )
        return method(**arguments)

    def explain_template(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """A template of one's own need not be stored."""
        if arguments["ref"]:
            self.need(Right.USE, arguments, despite_lock=True)
        return method(**arguments)

    def declared(self, _method: Callable[..., Any], arguments: Arguments) -> Any:
        """What one may change oneself, by the verbs that one may use."""
        seen = LocalDeclarations(self._engine.services, seen_by(self._engine, self._person), self._person)
        return getattr(seen, self._verb)(**arguments)

    def own_lock(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """A lock is changed by who locked it."""
        row = self.need(Right.MANAGE, arguments, despite_lock=True)
        again = self._noun.permit

        def mine(queries: Queries) -> None:
            again(queries)
            fresh = queries.get(KINDS[self._plural], row.id)
            if fresh.locked and fresh.locked_by != self._person.name:
                raise locked(fresh, str(getattr(fresh, "name", "")))

        self._noun.permit = mine
        return method(**arguments)

    def create_image(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """The engine reads files of its machine for administrators only: it may read more than they."""
        if arguments["spec"].get("path"):
            raise self.refused("make an image of a file on the engine's machine")
        return method(**arguments)

    def new_schedule(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """Who may do it now may also have it done later (which the verb itself looks at)."""
        row = usable(self._queries, VmRow, str(arguments["ref"]), self._person, despite_lock=True)
        arguments["ref"] = str(row.id)
        return method(**arguments)

    def schedule(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """To be seen by those who may use its VM, to be changed by those who might do it."""
        row = resolve(self._queries, ScheduleRow, str(arguments["ref"]))
        vm = self._queries.get(VmRow, row.vm_id)
        right = Right.USE if self._verb == "show" else right_to(row.action)
        seen = self._verb == "show"
        require(self._person, vm, right, vm.name, despite_lock=seen)
        arguments["ref"] = str(row.id)
        self._noun.permit = lambda queries: _again(queries, VmRow, vm.id, self._person, right, despite_lock=seen)
        return method(**arguments)

    def of_kind(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """Figures of a VM are for those who may use it."""
        if arguments["kind"] == "vm":
            row = usable(self._queries, VmRow, str(arguments["ref"]), self._person, ended=True, despite_lock=True)
            arguments["ref"] = str(row.id)
        return method(**arguments)

    def top(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """Those VMs that one may use."""
        found: Listing = method(**arguments)
        if arguments["kind"] != "vm":
            return found
        allowed = permitted(self._person, "vm")
        ids = {int(row[0]) for row in self._queries.rows(f'SELECT "id" FROM "vm" WHERE {allowed.sql}', allowed.parameters)}
        return found._replace(rows=[row for row in found.rows if row[0] in ids])

    def job(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """One's own, and those on objects that one may use."""
        self._job(arguments, Right.USE)
        return method(**arguments)

    def cancel_job(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """One's own, and those on objects that one may manage."""
        self._job(arguments, Right.MANAGE)
        return method(**arguments)

    def _job(self, arguments: Arguments, right: Right) -> None:
        row = self._queries.get(JobRow, int(arguments["job_id"]))
        if row.actor != self._person.name and not self._concerns(row.target_kind, row.target_id, right):
            raise DeniedError(
                f"{self._person.name} may not look into job {row.id}",
                cause=f"{row.actor or 'the engine'} filed it, on {row.target_kind} {row.target_id}",
                hint="nebula job list",
            )

    def events(self, method: Callable[..., Any], arguments: Arguments) -> Any:
        """Those about what one may use, and one's own."""
        found = method(**arguments)
        if self._verb == "list":
            return [event for event in found if self._sees(event)]
        return self._followed(found)

    def event_rows(self, _method: Callable[..., Any], arguments: Arguments) -> Any:
        """The same, as rows."""
        return run(self._queries, "event", arguments["query"], decode, seen_events(self._person))

    def _followed(self, found: Iterator[Event | None]) -> Iterator[Event | None]:
        try:
            for event in found:
                if event is None or self._sees(event):
                    yield event
        finally:
            found.close()  # type: ignore[attr-defined]

    def _sees(self, event: Event) -> bool:
        if event.actor == self._person.name:
            return True
        kind, number = event.object_kind, event.object_id
        if kind == "job":
            row = self._queries.first(JobRow, '"id"=?', (number,))
            if row is None:
                return False
            kind, number = row.target_kind, row.target_id
            if row.actor == self._person.name:
                return True
        return self._concerns(kind, number, Right.USE) if kind in _OWNED else kind in PUBLIC

    def _concerns(self, noun: str, number: int, right: Right) -> bool:
        kind = _OWNED.get(noun)
        row = self._queries.first(kind, '"id"=?', (number,)) if kind is not None else None
        return row is not None and may(self._person, row, right)


def _again(
    queries: Queries, kind: type[Owned], number: int, person: Person, right: Right, *, despite_lock: bool = False
) -> None:
    """Within the transaction: the right may have been taken away meanwhile."""
    row = queries.get(kind, number)
    require(person, row, right, str(getattr(row, "name", "")), despite_lock=despite_lock)

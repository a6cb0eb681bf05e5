"""Who may do what with what belongs to somebody: owner, group and others, with a right each to use, manage, administrate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

from nebula.engine.people import Person
from nebula.engine.store.rows.owned import Owned
from nebula.errors import DeniedError, UsageError

_MODE = re.compile(r"[0-7]{3}", re.ASCII)


OWNED = ("backup", "image", "network", "securitygroup", "template", "vm", "vmgroup")
"""Nouns whose objects belong to somebody."""
PUBLIC = ("cluster", "datastore", "engine", "host")
"""Nouns whose events everybody sees."""


class Right(IntEnum):
    """As OpenNebula's octal numbers have them."""

    ADMIN = 1
    MANAGE = 2
    USE = 4


LOCKS = {"use": (Right.USE, Right.MANAGE, Right.ADMIN), "manage": (Right.MANAGE, Right.ADMIN), "admin": (Right.ADMIN,)}
"""Level of a lock -> what it keeps everybody from doing but administrators."""


class Condition(NamedTuple):
    """A part of a WHERE clause, and its parameters."""

    sql: str
    parameters: Sequence[Any]


def may(person: Person, row: Owned, right: Right) -> bool:
    """Whether the person has the right: as owner, as a member of the group, or as anybody."""
    if person.admin:
        return True
    bits = row.mode
    if person.name == row.owner:
        bits |= row.mode >> 6
    if row.group in person.groups:
        bits |= row.mode >> 3
    return bool(bits & right)


def permitted(person: Person, table: str, right: Right = Right.USE) -> Condition:
    """The rows of a table on which the person has the right."""
    if person.admin:
        return Condition("1=1", ())
    groups = sorted(person.groups)
    marks = ", ".join("?" * len(groups)) or "NULL"
    owner, group, others = (f'("{table}"."mode" & {right << shift})<>0' for shift in (6, 3, 0))
    sql = f'(("{table}"."owner"=? AND {owner}) OR ("{table}"."group" IN ({marks}) AND {group}) OR {others})'
    return Condition(sql, (person.name, *groups))


def seen_jobs(person: Person) -> Condition:
    """Jobs of one's own, and those on objects that one may use."""
    return _or(Condition('"job"."actor"=?', (person.name,)), *_on_owned(person, '"job"."target_kind"', '"job"."target_id"'))


def seen_schedules(person: Person) -> Condition:
    """Scheduled actions of VMs that one may use."""
    allowed = permitted(person, "vm")
    return Condition(f'"schedule"."vm_id" IN (SELECT "id" FROM "vm" WHERE {allowed.sql})', allowed.parameters)


def seen_events(person: Person) -> Condition:
    """Events of one's own doing, about objects that one may use and jobs that one may see, and about the cluster."""
    jobs = seen_jobs(person)
    mine = f'SELECT "id" FROM "job" WHERE {jobs.sql}'
    return _or(
        Condition('"event"."actor"=?', (person.name,)),
        Condition(f'"event"."object_kind" IN ({", ".join("?" * len(PUBLIC))})', PUBLIC),
        Condition(f'"event"."object_kind"=\'job\' AND "event"."object_id" IN ({mine})', jobs.parameters),
        *_on_owned(person, '"event"."object_kind"', '"event"."object_id"'),
    )


def _on_owned(person: Person, kind: str, number: str) -> Iterator[Condition]:
    for noun in OWNED:
        allowed = permitted(person, noun)
        these = f'SELECT "id" FROM "{noun}" WHERE {allowed.sql}'
        yield Condition(f"{kind}='{noun}' AND {number} IN ({these})", allowed.parameters)


def _or(*conditions: Condition) -> Condition:
    parameters = [value for condition in conditions for value in condition.parameters]
    return Condition(f"({' OR '.join(f'({condition.sql})' for condition in conditions)})", parameters)


def require(person: Person, row: Owned, right: Right, name: str, *, despite_lock: bool = False) -> None:
    """DeniedError unless the person has the right, and no lock keeps them from it; `name` is the object's."""
    if not may(person, row, right):
        raise denied(person, row, right, name)
    if not (despite_lock or person.admin) and right in LOCKS.get(row.locked, ()):
        raise locked(row, name)


def locked(row: Owned, name: str) -> DeniedError:
    """Who locked it, when, and what would unlock it."""
    since = datetime.fromtimestamp(row.locked_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return DeniedError(
        f"{row._table} {name} ({row.id}) is locked",
        cause=f"{row.locked_by or 'the engine'} locked it on {since}: level {row.locked}",
        hint=f"nebula {row._table} unlock {row.id}, which {row.locked_by or 'an administrator'} or an administrator may",
    )


def needed_to_set(row: Owned, mode: int) -> Right:
    """What one must have on the object to give it that mode: the bits of administration are for those who have them."""
    return Right.ADMIN if (row.mode ^ mode) & 0o111 else Right.MANAGE


def level_of(text: str) -> str:
    """The level of a lock, of which OpenNebula's all is another name for use; UsageError for anything else."""
    level = text.strip().lower()
    level = "use" if level == "all" else level
    if level not in LOCKS:
        raise UsageError(f"{text[:40]!r} is no level of a lock", hint=f"one of: {', '.join(LOCKS)}, all")
    return level


def belongs(row: Owned) -> dict[str, Any]:
    """Whose it is, as it is shown."""
    shown: dict[str, Any] = {"owner": row.owner, "group": row.group, "mode": mode_text(row.mode)}
    if row.locked:
        shown["lock"] = {"level": row.locked, "by": row.locked_by, "since": row.locked_at}
    return shown


def denied(person: Person, row: Owned, right: Right, name: str) -> DeniedError:
    """Who may not do what, and what would help."""
    noun, owner = row._table, row.owner
    bits = {Right.USE: 0o4, Right.MANAGE: 0o2, Right.ADMIN: 0o1}[right]
    better = mode_text(row.mode | (bits << 6 if person.name == owner else bits << 3 if row.group in person.groups else bits))
    whom = "an administrator" if person.name == owner or not owner else owner
    doing = {Right.USE: "use", Right.MANAGE: "manage", Right.ADMIN: "administrate"}[right]
    return DeniedError(
        f"{person.name} may not {doing} {noun} {name} ({row.id})",
        cause=f"it belongs to {row.owner or 'the engine'}, group {row.group or 'none'}, with mode {mode_text(row.mode)}",
        hint=f"ask {whom}: {'sudo ' if whom != owner else ''}nebula {noun} chmod {row.id} {better}",
    )


def mode_of(text: str) -> int:
    """A mode from three octal digits; UsageError for anything else."""
    if not _MODE.fullmatch(text):
        raise UsageError(
            f"{text[:40]!r} is no mode",
            cause="three digits for owner, group and others, each the sum of 4 (use), 2 (manage), 1 (administrate)",
            hint="640 lets the group use it",
        )
    return int(text, 8)


def mode_text(mode: int) -> str:
    """640."""
    return f"{mode:03o}"

"""VMGROUP of a template: which VM has which role in which group.

As people write it: `VMGROUP=[VMGROUP_NAME=web, ROLE=frontend]`, with VMGROUP_ID instead of the name, or "web:frontend". As it
is kept: a group with VMGROUP_ID, VMGROUP_NAME and ROLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nebula.engine.local.access import Right, require
from nebula.engine.people import ENGINE, Person
from nebula.engine.scheduler.groups import group_view
from nebula.engine.store.rows import VmGroupMemberRow, VmGroupRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, NotFoundError, UsageError
from nebula.names import near

GROUP = "VMGROUP"


class Membership(NamedTuple):
    """`group_id` 0: in no group."""

    group_id: int = 0
    role: str = ""


def membership_of(template: Mapping[str, Any]) -> Membership:
    """As a stored template says."""
    kept = template.get(GROUP)
    if not isinstance(kept, Mapping) or not str(kept.get("VMGROUP_ID", "")).isdecimal():
        return Membership()
    return Membership(int(kept["VMGROUP_ID"]), str(kept.get("ROLE", "")))


def join(tx: Transaction, vm: VmRow, template: dict[str, Any], person: Person = ENGINE) -> None:
    """In the person's name the VM takes the role that its template asks for (or leaves its group, if that asks for none), and
    the template gets its kept form. NotFoundError, UsageError or ConflictError for a role that it cannot have, DeniedError
    for a group that they may not use.
    """
    given = template.pop(GROUP, None)
    if given in (None, "", {}):
        leave(tx, vm)
        return
    group, role = _asked(tx, given)
    require(person, group, Right.USE, group.name)
    if group_view(group).role(role) is None:
        names = group.roles.split(",")
        raise NotFoundError(
            f"group {group.name} has no role {role[:60]!r}", hint=f"its roles: {', '.join(near(role, names) or names)}"
        )
    leave(tx, vm)
    tx.insert(VmGroupMemberRow(group_id=group.id, role=role, vm_id=vm.id))
    template[GROUP] = {"VMGROUP_ID": group.id, "VMGROUP_NAME": group.name, "ROLE": role}


def leave(tx: Transaction, vm: VmRow) -> None:
    """The VM is in no group."""
    tx.execute('DELETE FROM "vmgroup_member" WHERE "vm_id"=?', (vm.id,))


def _asked(queries: Queries, given: Any) -> tuple[VmGroupRow, str]:
    if isinstance(given, Mapping):
        ref, role = str(given.get("VMGROUP_ID", given.get("VMGROUP_NAME", ""))), str(given.get("ROLE", ""))
    else:
        ref, _, role = str(given).partition(":")
    if not ref or not role:
        raise UsageError(f"{GROUP} names no group and role", cause=f"got {str(given)[:60]!r}", hint="--group GROUP:ROLE")
    found = queries.first(VmGroupRow, '"name"=?', (ref[:255],))
    if found is None and ref.isascii() and ref.isdecimal() and len(ref) < 19:
        found = queries.first(VmGroupRow, '"id"=?', (int(ref),))
    if found is None:
        raise NotFoundError(f"there is no vmgroup {ref[:80]!r}", hint="nebula vmgroup list")
    return found, role


def require_empty(queries: Queries, group: VmGroupRow, roles: frozenset[str] | None = None) -> None:
    """ConflictError if VMs have one of these roles (None: any role) of the group."""
    rows = queries.rows(
        'SELECT "m"."role", "v"."name" FROM "vmgroup_member" "m" JOIN "vm" "v" ON "v"."id"="m"."vm_id" '
        'WHERE "m"."group_id"=? ORDER BY "v"."id"',
        (group.id,),
    )
    names = [str(name) for role, name in rows if roles is None or role in roles]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ConflictError(
            f"group {group.name} has VMs",
            cause=f"{', '.join(names[:3])}{more}",
            hint="take them out first: nebula vm update VM --set VMGROUP=",
        )

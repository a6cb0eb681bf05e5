"""VM groups of the façade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.local.access import belongs
from nebula.engine.local.base import OwnedNoun, free_name, resolve
from nebula.engine.local.group_spec import Names, group_of, merged
from nebula.engine.scheduler.groups import GroupView, Role, group_view
from nebula.engine.scheduler.membership import require_empty
from nebula.engine.store.rows import HostRow, VmGroupRow
from nebula.engine.store.transaction import Queries, Transaction


class LocalVmGroups(OwnedNoun):
    """See nebula.engine.api.verbs.VmGroups."""

    noun = "vmgroup"
    kind = VmGroupRow

    def show(self, ref: str) -> Detail:
        """See VmGroups.show."""
        queries = self._store.read()
        row = resolve(queries, VmGroupRow, ref)
        group = group_view(row)
        hosts = {int(number): str(name) for number, name in queries.rows('SELECT "id", "name" FROM "host"')}
        body = {
            "id": row.id,
            "name": row.name,
            **belongs(row),
            "roles": [_role(role, hosts) for role in group.roles],
            "affined": [list(names) for names in group.affined],
            "anti_affined": [list(names) for names in group.anti_affined],
            "vms": _vms(queries, row.id),
        }
        return Detail(kind="vmgroup", id=row.id, name=row.name, body=body)

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See VmGroups.create."""

        def work(tx: Transaction) -> Accepted:
            name = free_name(tx, VmGroupRow, str(spec.get("name", "")))
            group = group_of(name, {key: value for key, value in spec.items() if key != "name"}, _hosts(tx))
            row = tx.insert(VmGroupRow(name=name, **self._belongs(call), roles=_listed(group), body=_body(group)))
            return self._told(tx, row, "created", call)

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name."""
        return self._rename(VmGroupRow, ref, name, call)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See VmGroups.update."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, VmGroupRow, ref)
            before = group_view(row)
            group = merged(before, changes, _hosts(tx))
            gone = {role.name for role in before.roles} - {role.name for role in group.roles}
            if gone:
                require_empty(tx, row, frozenset(gone))
            tx.swap(row, roles=_listed(group), body={**row.body, **_body(group)})
            return self._told(tx, row, "updated", call, changed=sorted(changes))

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """See VmGroups.remove."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, VmGroupRow, ref)
            require_empty(tx, row)
            tx.delete(row)
            return self._told(tx, row, "removed", call)

        return self._change(call, work)


def _hosts(queries: Queries) -> Names:
    return lambda ref: resolve(queries, HostRow, ref).id


def _listed(group: GroupView) -> str:
    return ",".join(role.name for role in group.roles)


def _body(group: GroupView) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(group)
    return {key: value for key, value in body.items() if key not in {"id", "name"}}


def _role(role: Role, hosts: Mapping[int, str]) -> dict[str, Any]:
    def names(ids: Iterable[int]) -> list[str]:
        return [hosts.get(number, f"host {number}, which is gone") for number in ids]

    found: dict[str, Any] = {"name": role.name, "policy": role.policy}
    if role.host_affined:
        found["host_affined"] = names(role.host_affined)
    if role.host_anti_affined:
        found["host_anti_affined"] = names(role.host_anti_affined)
    return found


def _vms(queries: Queries, group_id: int) -> list[dict[str, Any]]:
    rows = queries.rows(
        'SELECT "v"."id", "v"."name", "m"."role", "h"."name" FROM "vmgroup_member" "m" JOIN "vm" "v" ON "v"."id"="m"."vm_id" '
        'LEFT JOIN "host" "h" ON "h"."id"="v"."host_id" WHERE "m"."group_id"=? ORDER BY "v"."id"',
        (group_id,),
    )
    return [{"id": vm_id, "name": name, "role": role, "host": host} for vm_id, name, role, host in rows]

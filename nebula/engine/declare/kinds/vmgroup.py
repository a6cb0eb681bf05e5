"""VM groups as documents say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.values import Document, group, listed
from nebula.engine.scheduler.groups import group_view
from nebula.engine.store.rows import HostRow, VmGroupRow
from nebula.engine.store.transaction import Queries

_SETS = ("affined", "anti_affined")
_HOSTS = ("host_affined", "host_anti_affined")


class VmGroups(Kind):
    """What `vmgroup create` takes."""

    name = "vmgroup"
    row = VmGroupRow
    settings = frozenset({"roles", *_SETS})

    def document(self, queries: Queries, row: VmGroupRow) -> Document:
        """See Kind."""
        hosts = {host.id: host.name for host in queries.select(HostRow)}
        found = group_view(row)
        roles = [
            {
                "name": role.name,
                "policy": role.policy,
                **{key: sorted(hosts[number] for number in getattr(role, key) if number in hosts) for key in _HOSTS},
            }
            for role in found.roles
        ]
        return {
            "roles": [{key: value for key, value in role.items() if value} for role in roles],
            **{key: [list(names) for names in getattr(found, key)] for key in _SETS},
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind."""
        found = dict(document)
        if "roles" in found:
            roles = [group(role, "a role") for role in listed(found["roles"])]
            found["roles"] = {str(role.get("name", "")): _whole(role) for role in roles}
        for key in _SETS:
            if key in found:
                found[key] = sorted(sorted(str(name) for name in listed(names)) for names in listed(found[key]))
        return found

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        return engine.vmgroups.create({key: value for key, value in document.items() if key != "kind"}, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        given: Document = {key: after[key] for key in changed if key in _SETS}
        if "roles" in changed:
            given["roles"] = [{"name": name, **role} for name, role in after["roles"].items()]
            given["without"] = [name for name in before["roles"] if name not in after["roles"]]
        return engine.vmgroups.update(str(row.id), given, next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.vmgroups.remove(str(row.id), call)


def _whole(role: Mapping[str, Any]) -> Document:
    """A role with all that it may have, so that what a document does not name goes; the name is the key."""
    others = {key: value for key, value in role.items() if key not in {"name", "policy", *_HOSTS}}
    policy = str(role.get("policy") or "NONE").upper().replace("-", "_")
    return {**others, "policy": policy, **{key: sorted(str(name) for name in listed(role.get(key))) for key in _HOSTS}}

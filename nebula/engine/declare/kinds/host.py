"""Hosts as documents say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind, cluster_name
from nebula.engine.declare.values import Document, group, listed, merged, upper
from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import HostRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError

_STATES = {HostState.DISABLED: "disabled", HostState.OFFLINE: "offline"}


class Hosts(Kind):
    """What `host add` and `host update` take, and its wanted state. `fingerprint` is compared with the keys that are pinned."""

    name = "host"
    row = HostRow
    settings = frozenset(
        {"address", "user", "port", "virt", "cluster", "driver", "host_keys", "fingerprint", "reserved_cpu", "reserved_memory"}
        | {"attributes", "state"}
    )
    fixed = frozenset({"driver"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "user": "root",
        "port": "22",
        "virt": "auto",
        "driver": "libvirt",
        "cluster": "default",
        "state": "enabled",
    }

    def document(self, queries: Queries, row: HostRow) -> Document:
        """See Kind."""
        return {
            "driver": row.driver,
            "address": row.address if row.transport == "ssh" else "",
            "user": row.user,
            "port": str(row.port),
            "virt": row.virt_asked,
            "cluster": cluster_name(queries, row.cluster_id),
            "host_keys": row.body.get("host_keys", []) if row.transport == "ssh" else [],
            "reserved_cpu": row.reserved_cpu,
            "reserved_memory": row.reserved_memory,
            "attributes": row.body.get("attributes", {}),
            "state": _STATES.get(HostState(row.wanted), "enabled"),
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind."""
        found = dict(document)
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        if "host_keys" in found:
            found["host_keys"] = bare_keys(listed(found["host_keys"]))
        if "state" in found and str(found["state"]) not in {"enabled", *_STATES.values()}:
            raise UsageError(f"a host's state is none: {str(found['state'])[:40]!r}", hint="enabled, disabled or offline")
        if row is not None and is_pinned(row.body.get("host_keys", []), str(found.get("fingerprint") or "")):
            del found["fingerprint"]
        return found

    def trouble(self, row: HostRow) -> str:
        """See Kind: it was never looked at well."""
        lost = row.state in {HostState.ERROR, HostState.INIT} and not row.body.get("facts")
        return HostState(row.state).name if lost else ""

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        return engine.hosts.add({key: value for key, value in document.items() if key not in {"kind", "state"}}, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        given = {key: after[key] for key in changed - {"attributes", "state"}}
        if "attributes" in changed:
            given["attributes"] = merged(before["attributes"], after["attributes"])
        accepted = engine.hosts.update(str(row.id), given, next(calls)) if given else None
        if accepted is not None and (accepted.job_id or "state" not in changed):  # the next look finds what is left
            return accepted
        verbs = {"enabled": engine.hosts.enable, "disabled": engine.hosts.disable, "offline": engine.hosts.offline}
        return verbs[after["state"]](str(row.id), next(calls))

    def mend(self, engine: Engine, row: Any, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind: look at it again."""
        return engine.hosts.enable(str(row.id), next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.hosts.remove(str(row.id), call)


def bare_keys(lines: Sequence[Any]) -> list[str]:
    """Keys without their comments."""
    from nebula.transport.hostkeys import host_key

    return sorted(host_key(str(line)).line for line in lines)


def is_pinned(lines: Sequence[Any], fingerprint: str) -> bool:
    """Whether one of the keys has it."""
    if not fingerprint:
        return False
    from nebula.transport.hostkeys import host_key

    return any(host_key(str(line)).matches(fingerprint) for line in lines)

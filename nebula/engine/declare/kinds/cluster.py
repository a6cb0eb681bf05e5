"""Clusters as documents say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.values import Document, group, merged, text, upper
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.settings import changed as with_settings
from nebula.engine.drs.settings import decided, policy_of, spelled
from nebula.engine.machines.migration import BANDWIDTH, TUNNEL
from nebula.engine.store.rows import ClusterRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError


class Clusters(Kind):
    """name, migration_tunnel, migration_bandwidth (MiB/s), attributes, and DRS's settings as `drs set` takes them."""

    name = "cluster"
    row = ClusterRow
    settings = frozenset({TUNNEL, BANDWIDTH, "attributes", "drs"})
    defaults: ClassVar[Mapping[str, Any]] = {TUNNEL: "ssh", BANDWIDTH: "0"}

    def document(self, queries: Queries, row: ClusterRow) -> Document:
        """See Kind."""
        body = row.body
        return {
            TUNNEL: body.get(TUNNEL, "ssh"),
            BANDWIDTH: str(body.get(BANDWIDTH, 0)),
            "attributes": body.get("attributes", {}),
            "drs": decided(policy_of(row)),
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind. Settings of DRS that a document leaves out are as they are without anybody's decision."""
        found = dict(document)
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        if "drs" in found:
            given = {str(name): text(value) for name, value in group(found["drs"], "drs").items()}
            found["drs"] = decided(with_settings(DrsPolicy(), given))
        return found

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        made = engine.clusters.create(str(document["name"]), next(calls))
        settings = {key: value for key, value in document.items() if key in self.settings - {"drs"}}
        if settings:
            made = engine.clusters.update(made.name, _typed(settings), next(calls))
        drs = {str(name): text(value) for name, value in group(document.get("drs"), "drs").items()}
        return engine.drs.set(made.name, drs, next(calls)) if drs else made

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        given = {key: after[key] for key in changed - {"attributes", "drs"}}
        if "attributes" in changed:
            given["attributes"] = merged(before["attributes"], after["attributes"])
        accepted = Accepted(kind="cluster", id=row.id, name=row.name)
        if given:
            accepted = engine.clusters.update(str(row.id), _typed(given), next(calls))
        if "drs" in changed:
            usual = spelled(DrsPolicy())
            settings = {**{name: usual[name] for name in before["drs"]}, **after["drs"]}
            accepted = engine.drs.set(str(row.id), settings, next(calls))
        return accepted

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.clusters.remove(str(row.id), call)


def _typed(settings: Document) -> Document:
    if BANDWIDTH not in settings:
        return settings
    given = str(settings[BANDWIDTH])
    if not (given.isascii() and given.isdecimal() and len(given) < 12):
        raise UsageError(f"{BANDWIDTH} {given[:40]!r} is no number of MiB/s", hint=f"{BANDWIDTH}: 100, or 0 for no limit")
    return {**settings, BANDWIDTH: int(given)}

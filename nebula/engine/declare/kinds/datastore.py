"""Datastores as documents say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind, cluster_name
from nebula.engine.declare.values import Document, group, merged, text, upper
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.engine.store.transaction import Queries


class Datastores(Kind):
    """What `datastore create` takes; only attributes change afterwards."""

    name = "datastore"
    row = DatastoreRow
    settings = frozenset({"type", "driver", "path", "cluster", "settings", "attributes"})
    fixed = settings - {"attributes"}

    def document(self, queries: Queries, row: DatastoreRow) -> Document:
        """See Kind."""
        settings = dict(row.body.get("settings", {}))
        if row.type == "backup" and settings.get("host"):
            settings["host"] = host_name(queries, int(settings["host"]))
        return {
            "type": row.type,
            "driver": row.driver,
            "path": settings.pop("path", ""),
            "cluster": cluster_name(queries, row.cluster_id),
            "settings": settings,
            "attributes": row.body.get("attributes", {}),
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind."""
        found = dict(document)
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        if "settings" in found:
            found["settings"] = {key: text(item) for key, item in group(found["settings"], "settings").items()}
        return found

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        made = engine.datastores.create(document, next(calls))
        attributes = document.get("attributes")
        return engine.datastores.update(made.name, {"attributes": attributes}, next(calls)) if attributes else made

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        attributes = merged(before["attributes"], after["attributes"])
        return engine.datastores.update(str(row.id), {"attributes": attributes}, next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.datastores.remove(str(row.id), call)


def host_name(queries: Queries, host_id: int) -> str:
    """The name of a host; its number, if it is gone."""
    row = queries.first(HostRow, '"id"=?', (host_id,))
    return row.name if row is not None else str(host_id)

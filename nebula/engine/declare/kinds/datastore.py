"""Datastores as documents say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.backups.server import OWN, named_ours
from nebula.engine.declare.kind import Kind, cluster_name
from nebula.engine.declare.kinds.host import bare_keys, is_pinned
from nebula.engine.declare.values import Document, group, listed, merged, text, upper
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.engine.store.transaction import Queries
from nebula.model.server import server_of

_SERVER = ("server", "host_keys", "fingerprint")


class Datastores(Kind):
    """What `datastore create` takes; attributes change afterwards, and where a server of backups is and how it is known."""

    name = "datastore"
    row = DatastoreRow
    settings = frozenset({"type", "driver", "path", "cluster", "settings", "attributes", *_SERVER})
    fixed = settings - {"attributes", *_SERVER}

    def document(self, queries: Queries, row: DatastoreRow) -> Document:
        """See Kind."""
        settings = dict(row.body.get("settings", {}))
        if row.type == "backup" and settings.get("host"):
            settings["host"] = host_name(queries, int(settings["host"]))
        served = {key: settings.pop(key, "") for key in OWN}
        return {
            "type": row.type,
            "driver": row.driver,
            "path": settings.pop("path", ""),
            "cluster": cluster_name(queries, row.cluster_id),
            "server": served["server"],
            "host_keys": served["host_keys"].splitlines(),
            "settings": settings,
            "attributes": row.body.get("attributes", {}),
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind."""
        found = named_ours(document)
        if found.get("server"):
            found["server"] = str(server_of(str(found["server"])))
        if "host_keys" in found:
            found["host_keys"] = bare_keys(listed(found["host_keys"]))
        known = str(row.body.get("settings", {}).get("host_keys", "")) if row is not None else ""
        if is_pinned(known.splitlines(), str(found.get("fingerprint") or "")):
            del found["fingerprint"]
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
        given = {key: after[key] for key in changed - {"attributes"}}
        if "attributes" in changed:
            given["attributes"] = merged(before["attributes"], after["attributes"])
        return engine.datastores.update(str(row.id), given, next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.datastores.remove(str(row.id), call)


def host_name(queries: Queries, host_id: int) -> str:
    """The name of a host; its number, if it is gone."""
    row = queries.first(HostRow, '"id"=?', (host_id,))
    return row.name if row is not None else str(host_id)

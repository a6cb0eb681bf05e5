"""Images as documents say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.values import Document, group, merged, truth, upper
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.local.base import LABEL
from nebula.engine.local.images import without_login
from nebula.engine.store.rows import DatastoreRow, ImageRow
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError
from nebula.units import parse_size

_SOURCES = frozenset({"path", "url", "catalogue", "size"})


class Images(Kind):
    """What `image create` takes; attributes, the description, the type and whether it is persistent change afterwards."""

    name = "image"
    row = ImageRow
    live = '"state"<>6'
    once = frozenset({"host", "checksum", "checksum_url"})
    settings = once | _SOURCES | {"source", "type", "format", "persistent", "datastore", "description", "attributes"}
    fixed = settings - once - {"persistent", "description", "type", "attributes"}
    defaults: ClassVar[Mapping[str, Any]] = {"persistent": False, "type": "os"}

    def document(self, queries: Queries, row: ImageRow) -> Document:
        """See Kind."""
        return {
            **_origin(row),
            "type": row.type,
            "format": row.format,
            "persistent": bool(row.persistent),
            "datastore": queries.get(DatastoreRow, row.datastore_id).name,
            "description": row.body.get("description", ""),
            "attributes": row.body.get("attributes", {}),
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind."""
        found = dict(document)
        if "persistent" in found:
            found["persistent"] = truth(found["persistent"], "persistent")
        if found.get("source"):
            found["persistent"] = True
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        if "url" in found:
            found["url"] = without_login(str(found["url"]))
        if "size" in found:
            found["size"] = str(parse_size(str(found["size"])))
        if row is not None and "catalogue" in found:
            from nebula.images.catalogue import lookup

            found["url"] = without_login(_where(lookup(str(found.pop("catalogue"))).url, row))
        return found

    def trouble(self, row: ImageRow) -> str:
        """See Kind."""
        return "ERROR" if row.state == ImageState.ERROR else ""

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        persistent = truth(document.get("persistent", ""), "persistent")
        return engine.images.create({**document, "persistent": persistent}, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        ref, accepted = str(row.id), Accepted(kind="image", id=row.id, name=row.name)
        if "persistent" in changed:
            accepted = engine.images.persistent(ref, bool(after["persistent"]), next(calls))
        if "type" in changed:
            accepted = engine.images.chtype(ref, str(after["type"]), next(calls))
        told: Document = {"description": after["description"]} if "description" in changed else {}
        if "attributes" in changed:
            told["attributes"] = merged(before["attributes"], after["attributes"])
        return engine.images.update(ref, told, next(calls)) if told else accepted

    def mend(self, engine: Engine, row: Any, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind: what did not come is taken away; it is made anew when that is done."""
        if not row.body.get(LABEL):
            raise ConflictError(
                f"image {row.name} is in ERROR", cause=row.error, hint=f"nebula image remove {row.name}, then apply again"
            )
        return engine.images.remove(str(row.id), next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.images.remove(str(row.id), call)


def _origin(row: ImageRow) -> Document:
    source, lun = str(row.body.get("source", "")), str(row.body.get("lun", ""))
    if lun:
        return {"source": lun, **({} if source == lun else _content(source, row))}
    return _content(source, row)


def _content(source: str, row: ImageRow) -> Document:
    if source == "empty":
        return {"size": str(row.size)}
    return {"url": source} if "://" in source else {"path": source}


def _where(url: str, row: ImageRow) -> str:
    """The catalogue's address, or that of the mirror from which the image came."""
    source = str(row.body.get("source", ""))
    return source if source.rpartition("/")[2] == url.rpartition("/")[2] else url

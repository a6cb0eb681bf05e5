"""Events, answered requests, and the facts about the file itself."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row


class MetaRow(Row, kw_only=True):
    """A named fact about the database: schema version, epoch of the owner."""

    _table: ClassVar[str] = "meta"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    value: str


class EventRow(Row, kw_only=True):
    """Something that happened; `id` is the sequence that everybody who watches follows."""

    _table: ClassVar[str] = "event"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("object_kind", "object_id"), False),)

    at: float
    kind: str
    object_kind: str
    object_id: int
    actor: str = ""
    body: Body = msgspec.field(default_factory=dict)


class RequestRow(Row, kw_only=True):
    """A change that was answered, by the client's key: asked again, the same answer comes and nothing is done twice."""

    _table: ClassVar[str] = "request"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    at: float
    answer: Body = msgspec.field(default_factory=dict)

"""An image, and on which hosts its file is."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row
from nebula.engine.store.rows.owned import Owned


class ImageRow(Owned, kw_only=True):
    """`size` is the virtual size in bytes; `running_vms` counts the VMs that use it."""

    _table: ClassVar[str] = "image"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True), (("datastore_id",), False))
    _long: ClassVar[frozenset[str]] = frozenset({"error"})

    name: str
    uuid: str
    datastore_id: int
    type: str
    format: str
    size: int = 0
    state: int = 0
    persistent: int = 0
    running_vms: int = 0
    created: float = 0.0
    error: str = ""
    body: Body = msgspec.field(default_factory=dict)
    """source, checksum, default user, attributes."""


class ImageCopyRow(Row, kw_only=True):
    """A host that has the image's file whole (shared storage has one copy with host_id -1)."""

    _table: ClassVar[str] = "image_copy"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("image_id", "host_id"), True),)

    image_id: int
    host_id: int

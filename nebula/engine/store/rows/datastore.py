"""A datastore: where images and disks are."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Versioned


class DatastoreRow(Versioned, kw_only=True):
    """`type`: image (images and the disks made of them), system (disks only), file (kernels, context files) or backup.
    `cluster_id` -1: all clusters. Space in MiB, -1: not known.
    """

    _table: ClassVar[str] = "datastore"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    type: str
    driver: str
    cluster_id: int = -1
    state: int = 0
    """0 READY, 1 DISABLED (OpenNebula's codes)."""
    total_mib: int = -1
    used_mib: int = -1
    free_mib: int = -1
    body: Body = msgspec.field(default_factory=dict)
    """settings, usage per host."""

"""A cluster: hosts that share a policy, a CPU baseline and, often, storage."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Versioned


class ClusterRow(Versioned, kw_only=True):
    """`baseline` is the `<cpu>` element that all its hosts can run; empty: not computed, or not common."""

    _table: ClassVar[str] = "cluster"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)
    _long: ClassVar[frozenset[str]] = frozenset({"baseline"})

    name: str
    baseline: str = ""
    body: Body = msgspec.field(default_factory=dict)

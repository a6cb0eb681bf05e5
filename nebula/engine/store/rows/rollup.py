"""What was measured, summed up: one row for all objects of a kind and a slot of time."""

from __future__ import annotations

from typing import ClassVar

from nebula.engine.store.rows.base import Row


class RollupRow(Row, kw_only=True):
    """`kind`: vm or host; `at`: the slot's begin, seconds since the epoch; `step`: its seconds; `data`: see metrics/codec."""

    _table: ClassVar[str] = "rollup"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("kind", "step", "at"), True),)

    kind: str
    at: float
    step: int
    count: int
    data: bytes

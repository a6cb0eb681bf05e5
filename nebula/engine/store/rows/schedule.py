"""A verb that a VM is to get at a moment, once or again and again."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Versioned


class ScheduleRow(Versioned, kw_only=True):
    """`at` and `done`: when it is due next (0: never again) and when it was carried out last, seconds since the epoch.
    `message`: why it failed the last time. `body`: the rest of its plan (see schedules.plan.Plan).
    """

    _table: ClassVar[str] = "schedule"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("at",), False), (("vm_id",), False))
    _long: ClassVar[frozenset[str]] = frozenset({"message"})

    name: str = ""
    vm_id: int
    action: str
    at: float
    done: float = 0.0
    runs: int = 0
    repeat: str = ""
    actor: str = ""
    message: str = ""
    body: Body = msgspec.field(default_factory=dict)

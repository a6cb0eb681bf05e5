"""A job: work as data, and its log."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row, Versioned


class JobRow(Versioned, kw_only=True):
    """`state`: ready, running, waiting (for a host or a time), done, failed, cancelled. `direction`: forward or undo.

    `step` is the index of the step to run next; `facts` is what earlier steps wrote down. `done`/`total` in bytes.
    `attempt` counts the runs; `not_before` is when a waiting job is tried again, seconds since the epoch.
    """

    _table: ClassVar[str] = "job"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = (
        (("state",), False),
        (("target_kind", "target_id"), False),
        (("parent_id",), False),
    )

    kind: str
    target_kind: str
    target_id: int
    state: str = "ready"
    direction: str = "forward"
    step: int = 0
    attempt: int = 0
    parent_id: int = 0
    done: int = 0
    total: int = 0
    not_before: float = 0.0
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    actor: str = ""
    cancel: int = 0
    """1: somebody asked to cancel it."""
    args: Body = msgspec.field(default_factory=dict)
    facts: Body = msgspec.field(default_factory=dict)
    error: Body = msgspec.field(default_factory=dict)


class JobLogRow(Row, kw_only=True):
    """One line of a job's log."""

    _table: ClassVar[str] = "job_log"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("job_id",), False),)
    _long: ClassVar[frozenset[str]] = frozenset({"text"})

    job_id: int
    at: float
    level: str
    text: str

"""A plan of the DRS: what it wanted to move, and what came of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Versioned


class PlanRow(Versioned, kw_only=True):
    """`state`: proposed, applying, done, partly, failed, or superseded (a newer one took its place)."""

    _table: ClassVar[str] = "plan"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("cluster_id", "state"), False),)

    cluster_id: int
    state: str = "proposed"
    policy: str = ""
    mode: str = ""
    moves: int = 0
    created: float = 0.0
    ended: float = 0.0
    """When its migrations had ended, seconds since the epoch; 0: not yet."""
    job_id: int = 0
    actor: str = ""
    helped: str = ""
    """Whether what was measured afterwards was worth it: yes or no; "": nobody knows yet."""
    body: Body = msgspec.field(default_factory=dict)
    """plan (DrsPlan), chosen (numbers of the moves that were asked for), effect (what was measured afterwards)."""

"""Jobs that follow from a change elsewhere, filed in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.services import Services
from nebula.engine.store.rows import JobRow
from nebula.engine.store.transaction import Transaction


def follow(
    tx: Transaction, services: Services, kind: str, target: tuple[str, int], actor: str, args: Mapping[str, Any] | None = None
) -> int:
    """File a job of a kind that reads what is so when it is run; its id. One that waits to be begun reads what is written
    now, too: a second one would do nothing. One with arguments is always filed.
    """
    where = '"kind"=? AND "target_kind"=? AND "target_id"=? AND "state"=\'ready\' AND "attempt"=0'
    waiting = None if args else tx.first(JobRow, where, (kind, *target))
    if waiting is not None:
        return waiting.id
    job = tx.insert(
        JobRow(kind=kind, target_kind=target[0], target_id=target[1], created=tx.now, actor=actor, args=dict(args or {}))
    )
    tx.event("job.filed", "job", job.id, actor=actor, kind=kind, target=[*target])
    tx.after_commit(lambda: services.errands.submit(job))
    return job.id

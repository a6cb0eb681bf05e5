"""Plans as rows: proposed, applied, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nebula import typed
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan, Move
from nebula.engine.store.rows import PlanRow
from nebula.engine.store.transaction import Queries, Transaction

KEPT = 200
"""Plans of a cluster that are kept."""


def propose(tx: Transaction, plan: DrsPlan, policy: DrsPolicy, actor: str) -> PlanRow:
    """Store a plan; older ones of the cluster that still wait for an answer are superseded."""
    for older in tx.select(PlanRow, '"cluster_id"=? AND "state"=?', (plan.cluster_id, "proposed")):
        tx.swap(older, state="superseded", ended=tx.now)
    row = tx.insert(
        PlanRow(
            cluster_id=plan.cluster_id,
            policy=policy.policy,
            mode=policy.mode,
            moves=len(plan.moves),
            created=tx.now,
            actor=actor,
            body={"plan": msgspec.to_builtins(plan)},
        )
    )
    tx.event("drs.proposed", "cluster", plan.cluster_id, actor=actor, name=plan.cluster, plan=row.id, moves=len(plan.moves))
    _trim(tx, plan.cluster_id)
    return row


def _trim(tx: Transaction, cluster_id: int) -> None:
    kept = tx.rows('SELECT "id" FROM "plan" WHERE "cluster_id"=? ORDER BY "id" DESC LIMIT 1 OFFSET ?', (cluster_id, KEPT))
    if kept:
        tx.execute('DELETE FROM "plan" WHERE "cluster_id"=? AND "id"<=? AND "state"<>?', (cluster_id, kept[0][0], "applying"))


def plan_of(row: PlanRow) -> DrsPlan:
    """The plan itself."""
    return typed.convert(row.body["plan"], DrsPlan)


def chosen(row: PlanRow) -> list[Move]:
    """The moves that were asked for, in their order; all if none was chosen."""
    moves = plan_of(row).moves
    numbers: Sequence[int] = row.body.get("chosen") or range(1, len(moves) + 1)
    return [moves[number - 1] for number in numbers]


def applying(queries: Queries, cluster_id: int) -> PlanRow | None:
    """The plan of the cluster that is being carried out."""
    return queries.first(PlanRow, '"cluster_id"=? AND "state"=?', (cluster_id, "applying"))


def same(one: DrsPlan, other: DrsPlan) -> bool:
    """Whether both would move the same VMs to the same hosts."""
    return _what(one) == _what(other)


def _what(plan: DrsPlan) -> list[tuple[int, int]]:
    return sorted((move.vm_id, move.target_id) for move in plan.moves)

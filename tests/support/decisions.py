"""A history of the DRS, made up: plans that were carried out hours ago, and what came of them."""

from __future__ import annotations

from nebula import typed
from nebula.engine.drs.plans import propose
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan
from nebula.engine.store.rows import PlanRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction


def decide(store: Store, like: DrsPlan, *, hours_ago: float, helped: str) -> PlanRow:
    """A plan like that one, done so long ago; `helped` yes or no."""

    def work(tx: Transaction) -> PlanRow:
        row = propose(tx, like, DrsPolicy(), "drs")
        at, promised = tx.now - hours_ago * 3600, like.before - like.after
        effect = {
            "promised": promised, "measured": promised * (0.9 if helped == "yes" else -0.2), "hottest_before": 0.6,
            "hottest_after": 0.4, "at": at + 600,
        }  # fmt: skip
        return tx.swap(row, state="done", helped=helped, created=at, ended=at + 60, body={**row.body, "effect": effect})

    return store.write(work)


def plan_of(body: dict[str, object]) -> DrsPlan:
    """The plan in what `drs.plan` answers."""
    return typed.convert({name: body[name] for name in DrsPlan.__struct_fields__ if name in body}, DrsPlan)

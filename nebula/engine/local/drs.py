"""The DRS of the façade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.drs.planner import Planner
from nebula.engine.drs.plans import applying, propose
from nebula.engine.drs.settings import changed, policy_of, with_policy
from nebula.engine.jobs.runner import Runner
from nebula.engine.local.base import Noun, resolve
from nebula.engine.services import Services
from nebula.engine.store.rows import ClusterRow, HostRow, PlanRow, VmRow
from nebula.errors import ConflictError, NotFoundError, UsageError

if TYPE_CHECKING:
    from nebula.engine.drs.loop import DrsLoop
    from nebula.engine.drs.policy import DrsPolicy
    from nebula.engine.store.transaction import Queries, Transaction

_OWN_CALL = Call(actor="drs")


class LocalDrs(Noun):
    """See nebula.engine.api.verbs.Drs."""

    noun = "drs"

    def __init__(self, services: Services, runner: Runner, planner: Planner) -> None:
        super().__init__(services, runner)
        self._planner = planner
        self.loop: DrsLoop | None = None

    def status(self, cluster: str = "") -> list[Detail]:
        """See Drs.status."""
        queries = self._store.read()
        rows = [resolve(queries, ClusterRow, cluster)] if cluster else queries.select(ClusterRow, '1=1 ORDER BY "id"')
        return [Detail(kind="drs", id=row.id, name=row.name, body=self._status(queries, row)) for row in rows]

    def _status(self, queries: Queries, row: ClusterRow) -> dict[str, Any]:
        policy = policy_of(row)
        last = queries.first(PlanRow, '"cluster_id"=? ORDER BY "id" DESC', (row.id,))
        score = self._planner.score(row, policy)
        return {
            "cluster": row.name,
            "hosts": queries.count(HostRow, '"cluster_id"=?', (row.id,)),
            "hottest_load": round(score.hottest, 4),
            "objective": round(score.objective, 6),
            "waits": self._waits(row, policy),
            "last_plan": _brief(last) if last else None,
            "settings": msgspec.to_builtins(policy),
        }

    def _waits(self, row: ClusterRow, policy: DrsPolicy) -> str:
        stopped = str(row.body.get("drs_record", {}).get("stopped", ""))
        if stopped:
            return f"stopped: {stopped}; nebula drs set {row.name} mode={policy.mode} starts it again"
        return self.loop.waits(row.id) if self.loop is not None else "no engine runs that would plan"

    def plan(self, cluster: str, call: Call, bound: bool = False) -> Detail:
        """See Drs.plan."""
        queries = self._store.read()
        row = self._cluster(queries, cluster)
        policy = policy_of(row)
        plan = self._planner.plan(row, policy)
        body: dict[str, Any] = {"plan": 0, **msgspec.to_builtins(plan)}
        if bound:
            from nebula.engine.drs.bound import distance

            body["bound"] = msgspec.to_builtins(distance(self._planner.snapshot(row, policy), policy, plan))
        if call.dry_run or not plan.moves:
            return Detail(kind="plan", id=0, name=row.name, body=body)

        def work(tx: Transaction) -> Accepted:
            tx.get(ClusterRow, row.id)  # it may have been removed while the plan was made
            stored = propose(tx, plan, policy, call.actor)
            return Accepted(kind="plan", id=stored.id, name=row.name)

        accepted = self._change(call, work)
        return Detail(kind="plan", id=accepted.id, name=row.name, body={**body, "plan": accepted.id})

    def show(self, plan: int) -> Detail:
        """A plan as it was made, and what came of it."""
        queries = self._store.read()
        row = _plan(queries, plan)
        came = {"effect": row.body.get("effect"), "helped": row.helped, "message": row.body.get("message", "")}
        body = {**_brief(row), **row.body["plan"], **came}
        return Detail(kind="plan", id=row.id, name=queries.get(ClusterRow, row.cluster_id).name, body=body)

    def apply(self, plan: int, call: Call, moves: Sequence[int] = ()) -> Accepted:
        """See Drs.apply."""

        def work(tx: Transaction) -> Accepted:
            row = self._proposed(tx, plan)
            cluster = tx.get(ClusterRow, row.cluster_id)
            count = len(row.body["plan"]["moves"])
            for number in moves:
                if not 1 <= number <= count:
                    raise UsageError(
                        f"plan {row.id} has no move {number}", cause=f"it has 1 to {count}", hint=f"nebula drs show {row.id}"
                    )
            tx.swap(row, body={**row.body, "chosen": sorted(set(moves))})
            job_id = self.file(tx, row, cluster, policy_of(cluster), call)
            words = f"make {len(set(moves)) or count} moves of plan {row.id} in cluster {cluster.name}"
            would = (words,) if call.dry_run else ()
            return Accepted(kind="plan", id=row.id, name=cluster.name, job_id=job_id, would=would)

        return self._change(call, work)

    def file(self, tx: Transaction, row: PlanRow, cluster: ClusterRow, policy: DrsPolicy, call: Call = _OWN_CALL) -> int:
        """The job of a plan, in a transaction that is open already."""
        busy = applying(tx, cluster.id)
        if busy is not None:
            raise ConflictError(f"plan {busy.id} of cluster {cluster.name} is under way", hint=f"nebula job wait {busy.job_id}")
        job = self._file(tx, "drs.apply", row.id, call, {"cluster": cluster.id, "at_once": policy.at_once})
        tx.swap(row, state="applying", job_id=job.id)
        tx.event("drs.applying", "cluster", cluster.id, actor=call.actor, name=cluster.name, plan=row.id)
        return job.id

    def _proposed(self, tx: Transaction, plan: int) -> PlanRow:
        row = _plan(tx, plan)
        if row.state != "proposed":
            raise ConflictError(f"plan {row.id} is {row.state}", hint="nebula drs history")
        return row

    def set(self, cluster: str, changes: Mapping[str, str], call: Call) -> Accepted:
        """See Drs.set."""

        def work(tx: Transaction) -> Accepted:
            row = self._cluster(tx, cluster)
            policy = changed(policy_of(row), changes)
            tx.swap(row, body={**with_policy(row, policy), "drs_record": {}})
            tx.event("drs.set", "cluster", row.id, actor=call.actor, name=row.name, settings=dict(changes))
            words = ", ".join(f"{key}={value}" for key, value in changes.items())
            would = (f"set {words} for cluster {row.name}",) if call.dry_run else ()
            return Accepted(kind="cluster", id=row.id, name=row.name, would=would)

        return self._change(call, work)

    def forecast(self, kind: str, ref: str) -> Detail:
        """See Drs.forecast."""
        queries = self._store.read()
        if kind == "vm":
            vm = resolve(queries, VmRow, ref, condition='"state"<>6')
            return Detail(kind="vm", id=vm.id, name=vm.name, body={"hour": self._planner.hour_of_vm(vm)})
        if kind == "host":
            host = resolve(queries, HostRow, ref)
            return Detail(kind="host", id=host.id, name=host.name, body={"hour": self._planner.hour_of_host(host)})
        if kind == "cluster":
            row = self._cluster(queries, ref)
            return Detail(kind="cluster", id=row.id, name=row.name, body=self._planner.months_of(row))
        raise UsageError(f"there is no forecast of a {kind[:40]!r}", hint="vm, host or cluster")

    def snapshot(self, cluster: str, anonymous: bool = False) -> dict[str, Any]:
        """See Drs.snapshot."""
        row = self._cluster(self._store.read(), cluster)
        policy = policy_of(row)
        found = self._planner.snapshot(row, policy)
        if anonymous:
            from nebula.engine.drs.anonymous import without_names

            found = without_names(found)
        body: dict[str, Any] = {"snapshot": msgspec.to_builtins(found), "policy": msgspec.to_builtins(policy)}
        return body

    def _cluster(self, queries: Queries, ref: str) -> ClusterRow:
        """The cluster meant; the only one if none was named."""
        if ref:
            return resolve(queries, ClusterRow, ref)
        rows = queries.select(ClusterRow, '1=1 ORDER BY "id"')
        if len(rows) != 1:
            raise UsageError(
                "which cluster is meant?",
                cause=", ".join(row.name for row in rows)[:200],
                hint="put its name behind the command",
            )
        return rows[0]


def _plan(queries: Queries, number: int) -> PlanRow:
    row = queries.first(PlanRow, '"id"=?', (number,))
    if row is None:
        raise NotFoundError(f"there is no plan {number}", hint="nebula drs history")
    return row


def _brief(row: PlanRow) -> dict[str, Any]:
    return {
        "plan": row.id, "state": row.state, "policy": row.policy, "mode": row.mode, "moves_planned": row.moves,
        "created": row.created, "ended": row.ended or None, "job": row.job_id or None, "actor": row.actor,
    }  # fmt: skip

"""The planner over a live engine: snapshots from what is known and measured, plans from them, and what plans brought."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.engine.drs.settings import policy_of
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, PlanRow, VmRow
from nebula.errors import ConflictError

if TYPE_CHECKING:
    from nebula.engine.drs.dirty import DirtyRates
    from nebula.engine.drs.effects import Score
    from nebula.engine.drs.outlook import Outlook
    from nebula.engine.drs.policy import DrsPolicy
    from nebula.engine.drs.values import DrsPlan, DrsSnapshot
    from nebula.engine.services import Services
    from nebula.engine.store.transaction import Transaction


_HOUR = 3600.0
"""Seconds for which a plan looks ahead."""
_THOUGHTS = 3
"""How often a plan is thought over at most with what was measured of the VMs that it would move."""


class Planner:
    """`measured` tells what VMs use; what they will use is read from their roll-ups. numpy is loaded by the first plan."""

    def __init__(self, services: Services, measured: Outlook) -> None:
        self._services = services
        self._measured = measured
        self._stopping = threading.Event()
        self._judge_at: dict[int, float] = {}

    def stop(self) -> None:
        """Whoever plans is to come to an end soon."""
        self._stopping.set()

    @cached_property
    def _dirty(self) -> DirtyRates:
        from nebula.engine.drs.dirty import DirtyRates

        return DirtyRates(self._services)

    @cached_property
    def _ahead(self) -> Outlook:
        from nebula.engine.forecast.outlook import Ahead

        return Ahead(self._services.store.read, self._measured, stopped=self._stopping.is_set)

    def prepare(self, policy: DrsPolicy) -> None:
        """Read what is known of former days: seconds of work for thousands of VMs, for which no plan has to wait then."""
        if policy.predictive:
            self._ahead.expected((), self._services.clock.now())

    def snapshot(self, cluster: ClusterRow, policy: DrsPolicy, leave: Mapping[int, str] | None = None) -> DrsSnapshot:
        """The cluster at this moment, with what is expected of its VMs."""
        from nebula.engine.drs.dirty import with_rates

        found = self._load(cluster, policy, self._ahead if policy.predictive else self._measured, leave)
        return with_rates(found, self._dirty.known())

    def plan(self, cluster: ClusterRow, policy: DrsPolicy, leave: Mapping[int, str] | None = None) -> DrsPlan:
        """What to move; with `leave`, only what must leave those hosts. What would move is asked how fast it writes to its
        memory, and thought over with that.
        """
        from nebula.engine.drs.dirty import with_rates
        from nebula.engine.drs.rebalance import rebalance

        snapshot = self.snapshot(cluster, policy, leave)
        plan = rebalance(snapshot, policy, only_forced=bool(leave))
        for _ in range(_THOUGHTS):
            if leave or self._stopping.is_set() or not self._dirty.measure(plan):
                break
            plan = rebalance(with_rates(snapshot, self._dirty.known()), policy)
        return plan

    def score(self, cluster: ClusterRow, policy: DrsPolicy) -> Score:
        """How the cluster is, by what was measured."""
        from nebula.engine.drs.effects import score

        return score(self._load(cluster, policy, self._measured, None), policy)

    def plan_of(self, row: PlanRow) -> DrsPlan:
        """A stored plan."""
        from nebula.engine.drs.plans import plan_of

        return plan_of(row)

    def hour_of_vm(self, vm: VmRow) -> dict[str, Any]:
        """The coming hour of a VM; ConflictError if nothing was measured of it."""
        from nebula.engine.drs.forecasts import of_vm

        expected = self._ahead.expected([vm.id], self._services.clock.now()).get(vm.id)
        if expected is None:
            raise ConflictError(
                f"nothing is known yet of what VM {vm.name} uses",
                cause="it does not run, or no engine measured it",
                hint="nebula --daemon measures every 10 seconds",
            )
        return of_vm(expected)

    def hour_of_host(self, host: HostRow) -> dict[str, Any]:
        """The coming hour of a host: what its VMs will use."""
        from nebula.engine.drs.forecasts import of_host

        if not host.cpu_total:
            raise ConflictError(f"host {host.name} was not reached yet", hint=f"nebula host show {host.id}")
        cluster = self._services.store.read().get(ClusterRow, host.cluster_id)
        policy = policy_of(cluster)
        return of_host(self.snapshot(cluster, policy), policy, host.id)

    def months_of(self, cluster: ClusterRow) -> dict[str, Any]:
        """When the cluster is full."""
        from nebula.engine.drs.forecasts import of_cluster

        return of_cluster(self._services.store.read(), cluster.id, self._services.clock.now())

    def measure_effects(self, cluster: ClusterRow, policy: DrsPolicy, settle: float) -> None:
        """Plans that ended at least `settle` seconds ago are measured and judged once: as soon as one helped, or when the hour
        that it was made for is over, or another plan followed.
        """
        now, queries = self._services.clock.now(), self._services.store.read()
        rows = queries.rows(
            'SELECT "id", "ended" FROM "plan" WHERE "cluster_id"=? AND "state" IN (\'done\',\'partly\') AND "ended">? AND '
            '"ended"<? ORDER BY "id"',
            (cluster.id, now - 2 * _HOUR, now - settle),
        )
        for number, ended in rows:
            if self._judge_at.get(number, 0.0) > now:
                continue
            hopeful = policy.predictive and number == rows[-1][0] and now < ended + _HOUR
            over = self._judged(cluster, policy, queries.get(PlanRow, number), now, patient=hopeful)
            self._judge_at[number] = now + (2 * _HOUR if over else policy.interval)

    def _judged(self, cluster: ClusterRow, policy: DrsPolicy, row: PlanRow, now: float, *, patient: bool) -> bool:
        """Whether the plan is judged now. `patient`: one that did not help yet may still."""
        from nebula.engine.drs.effects import effect, judged
        from nebula.engine.drs.plans import chosen

        if "effect" in row.body:
            return True
        found = effect(self._load(cluster, policy, self._measured, None), policy, chosen(row), now)
        if patient and not found.helped:
            return False

        def work(tx: Transaction) -> None:
            fresh, owner = tx.get(PlanRow, row.id), tx.get(ClusterRow, cluster.id)
            helped = "yes" if found.helped else "no"
            tx.swap(fresh, helped=helped, body={**fresh.body, "effect": msgspec.to_builtins(found)})
            tx.event("drs.judged", "cluster", owner.id, name=owner.name, plan=fresh.id, helped=helped)
            record = judged(owner.body.get("drs_record", {}), found.helped, policy_of(owner).stop_after)
            tx.swap(owner, body={**owner.body, "drs_record": record})
            if record["stopped"]:
                tx.event("drs.stopped", "cluster", owner.id, name=owner.name, reason=record["stopped"])

        self._services.store.write(work)
        return True

    def _load(self, cluster: ClusterRow, policy: DrsPolicy, outlook: Outlook, leave: Mapping[int, str] | None) -> DrsSnapshot:
        from nebula.engine.drs.load import load

        pool, store = self._services.pool, self._services.store
        stores = store.read().select(DatastoreRow, '"type"<>?', ("backup",))
        shared = {row.id for row in stores if pool.datastore(row).capabilities.shared}
        with store.snapshot() as queries:
            return load(queries, cluster, policy, outlook, self._services.clock.now(), shared=shared, leave=leave)

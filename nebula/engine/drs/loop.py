"""DRS at work: at every interval a plan for each cluster that wants one; proposed, or carried out by the façade's own verb.

What a plan brought is measured before the next one is made, and a policy that does not help stops itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from nebula.engine.drs.plans import applying, propose, same
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.settings import policy_of
from nebula.engine.drs.when import quiet
from nebula.engine.store.rows import ClusterRow, PlanRow
from nebula.errors import NebulaError, OwnerError

if TYPE_CHECKING:
    from nebula.engine.drs.planner import Planner
    from nebula.engine.drs.values import DrsPlan
    from nebula.engine.services import Services
    from nebula.engine.store.transaction import Transaction

_log = logging.getLogger(__name__)
_TICK = 1.0
"""Seconds between two looks at what is due."""
_SETTLE = 60.0
"""Seconds after a plan's last migration before its effect is measured."""
File = Callable[["Transaction", PlanRow, ClusterRow, "DrsPolicy"], object]


class DrsLoop:
    """`file` is the façade's way to carry a plan out inside a transaction."""

    def __init__(self, services: Services, planner: Planner, file: File) -> None:
        self._services = services
        self._planner = planner
        self._file = file
        self._stopping = threading.Event()
        self._due: dict[int, float] = {}
        self._streak: dict[int, int] = {}
        self._said: dict[int, str] = {}
        self._ill: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="nebula-drs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the plan under way."""
        self._stopping.set()
        self._planner.stop()
        self._thread.join()

    def waits(self, cluster_id: int) -> str:
        """Why nothing moves in the cluster now, as far as the loop knows; empty: nothing holds it up."""
        return self._said.get(cluster_id, "")

    def _run(self) -> None:
        while not self._stopping.wait(min(_TICK, self._services.settings.monitor_interval)):
            try:
                for cluster in self._services.store.read().select(ClusterRow, '1=1 ORDER BY "id"'):
                    self._guarded(cluster)
            except OwnerError:
                return
            except Exception:
                _log.exception("DRS met a fault")

    def _guarded(self, cluster: ClusterRow) -> None:
        """A cluster that makes trouble holds up no other, and is left alone for an interval."""
        now = self._services.clock.monotonic()
        if now < self._ill.get(cluster.id, 0.0):
            return
        try:
            self._look(cluster)
        except OwnerError:
            raise
        except Exception as error:
            self._ill[cluster.id] = now + DrsPolicy().interval
            self._said[cluster.id] = f"a fault: {type(error).__name__}; it is tried again in some minutes"
            _log.exception("DRS of cluster %s met a fault; it is tried again in some minutes", cluster.name)

    def _look(self, cluster: ClusterRow) -> None:
        policy = policy_of(cluster)
        self._planner.measure_effects(cluster, policy, settle=min(_SETTLE, policy.interval))
        if policy.mode == "manual":
            for known in (self._due, self._streak, self._said):
                known.pop(cluster.id, None)
            return
        if cluster.id not in self._due:
            self._planner.prepare(policy)
        now = self._services.clock.monotonic()
        due = self._due.setdefault(cluster.id, now + min(policy.interval, 2 * self._services.settings.monitor_interval))
        if now < due or self._stopping.is_set():
            return
        self._due[cluster.id] = now + policy.interval
        try:
            self._said[cluster.id] = self._round(cluster, policy)
        except NebulaError as error:
            self._said[cluster.id] = str(error)
            _log.warning("DRS of cluster %s: %s", cluster.name, error)

    def _round(self, cluster: ClusterRow, policy: DrsPolicy) -> str:
        """One plan; why it was not carried out, if it was not."""
        busy = applying(self._services.store.read(), cluster.id)
        if busy is not None:
            return f"plan {busy.id} is under way"
        stopped = str(cluster.body.get("drs_record", {}).get("stopped", ""))
        if stopped:
            return f"stopped: {stopped}"
        plan = self._planner.plan(cluster, policy)
        if not plan.moves:
            self._streak[cluster.id] = 0
            return plan.why_not
        held = self._held(cluster.id, policy)
        if held:
            return held
        self._propose(cluster, policy, plan)
        return ""

    def _held(self, cluster_id: int, policy: DrsPolicy) -> str:
        streak = self._streak[cluster_id] = self._streak.get(cluster_id, 0) + 1
        if streak < policy.patience:
            return f"trouble seen {streak} of {policy.patience} times"
        return quiet(policy, datetime.fromtimestamp(self._services.clock.now()).astimezone())

    def _propose(self, cluster: ClusterRow, policy: DrsPolicy, plan: DrsPlan) -> None:
        def work(tx: Transaction) -> None:
            if policy_of(tx.get(ClusterRow, cluster.id)) != policy:
                return  # somebody changed it while the plan was made
            waiting = tx.first(PlanRow, '"cluster_id"=? AND "state"=? ORDER BY "id" DESC', (cluster.id, "proposed"))
            if policy.mode == "partial" and waiting is not None and same(self._planner.plan_of(waiting), plan):
                return
            row = propose(tx, plan, policy, "drs")
            if policy.mode == "full":
                self._file(tx, row, cluster, policy)

        self._services.store.write(work)
        self._streak[cluster.id] = 0

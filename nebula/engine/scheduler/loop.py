"""The scheduler's loop: woken by events, plans for all VMs that wait, files each action through the façade's own verb.

The verb re-checks an action against the present; a refused one goes back into the next plan.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from nebula.engine.api.values import Accepted, Call
from nebula.engine.follower import Follower
from nebula.engine.lifecycle.states import VmState
from nebula.engine.machines.machine import Waiting, body_of, machine_of
from nebula.engine.scheduler.patience import Patience
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.snapshot import Measured, last_written, load
from nebula.engine.scheduler.space import SPACE
from nebula.engine.scheduler.values import Action, ClusterSnapshot, Plan, Unplaced
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError, OwnerError

_log = logging.getLogger(__name__)
_WAKING = frozenset(
    {
        "vm.created", "vm.state", "vm.updated", "vm.resched", "vm.resized", "host.state", "host.updated", "cluster.updated",
        "image.state", "datastore.created", "datastore.updated", "network.created", "vmgroup.updated",
    }
)  # fmt: skip
_TOLD = 60.0
"""Seconds for which a reason stands of which only figures changed; `vm describe` looks for itself."""
_TOGETHER = 200
"""VMs whose reasons one transaction writes, so that no verb waits long behind them."""
_CALL = Call(actor="scheduler")
PlaceVerb = Callable[[Transaction, int, int, str, Call], Accepted]


class MoveVerb(Protocol):
    """See LocalVms.move_away."""

    def __call__(self, tx: Transaction, vm_id: int, call: Call) -> Accepted:
        """File the migration."""
        ...


class Scheduler(Follower):
    """`place_verb` and `move_verb` are the façade's ways to deploy a VM, and to move one that is marked, inside a
    transaction; `measured` tells what hosts use.
    """

    def __init__(
        self, services: Services, place_verb: PlaceVerb, move_verb: MoveVerb, measured: Measured = last_written
    ) -> None:
        super().__init__(services, "nebula-scheduler")
        self._place_verb, self._move_verb = place_verb, move_verb
        self._pending = True
        self._planning = False
        self._measured = measured
        self._refusals = Patience(services.settings)
        self._patience: float | None = None
        """Seconds after which to plan again although nothing happened."""

    def idle(self) -> bool:
        """Whether nothing waits to be planned (VMs that no host can take do not count)."""
        with self._changed:
            return not (self._pending or self._planning)

    def wait_idle(self, timeout: float) -> bool:
        """Wait for `idle`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopped or not (self._pending or self._planning), timeout)

    def poke(self) -> None:
        """Plan again soon."""
        with self._changed:
            self._pending = True
            self._changed.notify_all()

    def _on_events(self, events: list[EventRow]) -> None:
        for event in events:
            if event.kind in _WAKING and not _idle(event):
                self.poke()
                return

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopped, self._patience)
                if self._stopped:
                    return
                self._planning = True
            threading.Event().wait(self._services.settings.schedule_delay)
            with self._changed:
                self._pending = False
            try:
                self._plan()
            except OwnerError:
                return
            except Exception:
                _log.exception("the scheduler met a fault; it plans again at the next change")
            with self._changed:
                self._planning = False
                self._changed.notify_all()

    def _plan(self) -> None:
        again = [self._services.settings.schedule_again] if self._move_marked() else []
        now = self._services.clock.now()
        with self._services.store.snapshot() as queries:
            snapshot = load(queries, now=now, measured=self._measured)
        pending = self._refusals.ready(snapshot.pending, now)
        if not pending:
            self._wait(again, now)
            return
        plan = place(snapshot, pending)
        refused = self._carry_out(plan)
        self._refusals.told({vm.id for vm in pending}, refused, self._services.clock.now())
        self._tell(snapshot, plan)
        wishing = {vm.id for vm in pending if vm.requirements}
        waits = any(item.vm_id in wishing or SPACE in item.tests for item in plan.unplaced)
        if self._wait([*again, *([self._services.settings.schedule_again] if waits else [])], self._services.clock.now()):
            self.poke()

    def _wait(self, times: list[float], now: float) -> bool:
        """Plan again after the shortest of these seconds and of what refused VMs wait; whether the latter is over already."""
        refused = self._refusals.next(now)
        self._patience = min([*times, *([refused] if refused is not None else [])], default=None)
        return refused == 0

    def _move_marked(self) -> bool:
        """VMs that somebody marked (resched) go to another host. Whether there are any: one that cannot go, and one whose
        migration fails later, stays marked, and what it waits for (a host's first measurement, another job's end) need not be a
        change of which the scheduler hears.
        """
        marked = self._services.store.read().rows('SELECT "id" FROM "vm" WHERE "resched"=1 ORDER BY "id"')
        for (vm_id,) in marked:
            try:
                self._services.store.write(partial(self._move_verb, vm_id=int(vm_id), call=_CALL))
            except OwnerError:
                raise
            except NebulaError as error:
                _log.info("VM %d, which is marked, was not moved: %s", vm_id, error)
        return bool(marked)

    def _carry_out(self, plan: Plan) -> set[int]:
        """Each action by the façade's verb; returns the VMs whose action was refused: they go into a later plan."""
        refused: set[int] = set()
        futures = [(action, self._services.store.submit(self._work(action))) for action in plan.actions]
        for action, future in futures:
            try:
                future.result()
            except OwnerError:
                raise
            except NebulaError as error:
                _log.info("placing VM %d was refused: %s", action.vm_id, error)
                refused.add(action.vm_id)
        return refused

    def _tell(self, snapshot: ClusterSnapshot, plan: Plan) -> None:
        """Write down why VMs wait, where it is news."""
        known, now = {vm.id: vm.waiting for vm in snapshot.pending}, self._services.clock.now()
        news = [item for item in plan.unplaced if _is_news(known[item.vm_id], item, now)]
        for start in range(0, len(news), _TOGETHER):
            self._services.store.write(partial(_explain, unplaced=news[start : start + _TOGETHER]))

    def _work(self, action: Action) -> Callable[[Transaction], Accepted]:
        return lambda tx: self._place_verb(tx, action.vm_id, action.host_id, action.reason, _CALL)


def _idle(event: EventRow) -> bool:
    """Whether a VM's event neither makes it wait for a host nor gives one room."""
    if event.kind == "vm.created":
        return event.body.get("state") != "PENDING"
    return event.kind == "vm.state" and event.body.get("after") in {"PROLOG", "BOOT", "RUNNING"}


def _is_news(known: Waiting | None, item: Unplaced, now: float) -> bool:
    """Figures alone ("short of memory by …") change with every VM that is placed, for all that wait."""
    if known is None or known.tests != item.tests:
        return True
    return known.summary != item.summary and now - known.at >= _TOLD


def _explain(tx: Transaction, unplaced: Sequence[Unplaced]) -> None:
    for item in unplaced:
        vm = tx.get(VmRow, item.vm_id)
        if vm.state != VmState.PENDING:
            continue
        machine = machine_of(vm)
        machine.waiting = Waiting(summary=item.summary, tests=item.tests, at=tx.now)
        tx.swap(vm, body=body_of(machine), reason=item.summary[:500])
        tx.event("vm.waits", "vm", vm.id, name=vm.name, reason=item.summary)

"""The scheduler's loop: woken by events, plans for all VMs that wait, files each action through the façade's own verb.

The verb re-checks an action against the present; a refused one goes back into the next plan.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from nebula.engine.api.values import Accepted, Call
from nebula.engine.lifecycle.states import VmState
from nebula.engine.machines.machine import Waiting, body_of, machine_of
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.snapshot import load
from nebula.engine.scheduler.values import Action, Unplaced
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError, OwnerError

_log = logging.getLogger(__name__)
_WAKING = {"vm.created", "vm.state", "host.state", "host.updated", "image.state", "datastore.created", "network.created"}
_REPLANS = 5
"""Plans in a row with a refused action after which the scheduler waits for something to change."""
_CALL = Call(actor="scheduler")
PlaceVerb = Callable[[Transaction, int, int, str, Call], Accepted]


class Scheduler:
    """`place_verb` is the façade's way to deploy a VM inside a transaction."""

    def __init__(self, services: Services, place_verb: PlaceVerb) -> None:
        self._services = services
        self._place_verb = place_verb
        self._changed = threading.Condition()
        self._pending = True
        self._planning = False
        self._stopped = False
        self._refusals = 0
        self._thread = threading.Thread(target=self._loop, name="nebula-scheduler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._unlisten = self._services.store.listen(self._on_events)
        self._thread.start()

    def stop(self) -> None:
        """End after the plan under way."""
        self._unlisten()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

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
            if event.kind in _WAKING and not (
                event.kind == "vm.state" and event.body.get("after") in {"PROLOG", "BOOT", "RUNNING"}
            ):
                self.poke()
                return

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopped)
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
        with self._services.store.snapshot() as queries:
            snapshot = load(queries, now=self._services.clock.now())
        if not snapshot.pending:
            return
        plan = place(snapshot, snapshot.pending)
        futures = [(action, self._services.store.submit(self._work(action))) for action in plan.actions]
        refused = 0
        for action, future in futures:
            try:
                future.result()
            except OwnerError:
                raise
            except NebulaError as error:
                refused += 1
                _log.info("placing VM %d was refused: %s", action.vm_id, error)
        if plan.unplaced:
            self._services.store.write(lambda tx: _explain(tx, plan.unplaced))
        self._refusals = self._refusals + 1 if refused else 0
        if 0 < self._refusals <= _REPLANS:
            self.poke()

    def _work(self, action: Action) -> Callable[[Transaction], Accepted]:
        return lambda tx: self._place_verb(tx, action.vm_id, action.host_id, action.reason, _CALL)


def _explain(tx: Transaction, unplaced: tuple[Unplaced, ...]) -> None:
    """Write down why, where it is news."""
    for item in unplaced:
        vm = tx.get(VmRow, item.vm_id)
        machine = machine_of(vm)
        if vm.state != VmState.PENDING:
            continue
        known = machine.waiting
        if known is not None and (known.summary, known.hosts) == (item.summary, item.hosts):
            continue
        machine.waiting = msgspec.convert({"summary": item.summary, "hosts": item.hosts, "at": tx.now}, Waiting)
        tx.swap(vm, body=body_of(machine), reason=item.summary[:500])
        tx.event("vm.waits", "vm", vm.id, name=vm.name, reason=item.summary)

"""Scheduled actions at work: a thread that sleeps until the next one is due.

An action is carried out once: its verb is called with a key that is made of the action and of how often it was carried out, so
that an engine that died between the verb and its own note is answered what was done, and does not do it again.
"""

from __future__ import annotations

import logging

from nebula.engine.api.values import Call
from nebula.engine.api.verbs import Vms
from nebula.engine.follower import Follower
from nebula.engine.schedules.actions import ACTIONS
from nebula.engine.schedules.keep import plan_in, thin_out
from nebula.engine.schedules.plan import following
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, ScheduleRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NebulaError, NotFoundError, OwnerError

_log = logging.getLogger(__name__)
_LONGEST = 30.0
"""Seconds of a sleep: the machine's clock may be set meanwhile."""
_AGAIN, _PATIENCE = 15.0, 3600.0
"""Seconds between tries while the VM has a job under way, and until that is a failure."""


class Schedules(Follower):
    """Carries out what is due, by the verbs that a person would type."""

    def __init__(self, services: Services, vms: Vms) -> None:
        super().__init__(services, "nebula-schedules")
        self._vms = vms
        self._news = False
        self._later: dict[int, float] = {}

    def _on_events(self, events: list[EventRow]) -> None:
        if any(event.object_kind == "schedule" for event in events):
            with self._changed:
                self._news = True
                self._changed.notify_all()

    def _loop(self) -> None:
        while True:
            try:
                self._due()
                pause = self._pause()
            except OwnerError:
                return
            except Exception:
                _log.exception("scheduled actions met a fault")
                pause = _LONGEST
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._news, pause)
                self._news = False
                if self._stopped:
                    return

    def _pause(self) -> float:
        """Seconds until one is due."""
        rows = self._services.store.read().rows('SELECT "id", "at" FROM "schedule" WHERE "at">0 ORDER BY "at" LIMIT 200')
        now = self._services.clock.now()
        due = [max(float(at), self._later.get(int(number), 0.0)) for number, at in rows]
        return min([_LONGEST, *(max(0.0, at - now) for at in due)])

    def _due(self) -> None:
        now = self._services.clock.now()
        due = self._services.store.read().select(ScheduleRow, '"at">0 AND "at"<=? ORDER BY "at","id"', (now,))
        self._later = {row.id: self._later[row.id] for row in due if row.id in self._later}
        for row in due:
            if self._stopped:
                return
            if self._later.get(row.id, 0.0) <= now:
                self._carry_out(row)

    def _carry_out(self, row: ScheduleRow) -> None:
        plan, action = plan_in(row), ACTIONS[row.action]
        call = Call(actor=row.actor, key=f"schedule-{row.id}-{row.runs}")
        try:
            action.act(self._vms, str(row.vm_id), plan.arguments, call)
        except OwnerError:
            raise
        except ConflictError as error:
            now = self._services.clock.now()
            if self._is_busy(row.vm_id) and now < row.at + _PATIENCE:
                self._later[row.id] = now + _AGAIN
                return
            self._note(row, str(error))
        except NebulaError as error:
            self._note(row, str(error))
        else:
            self._note(row, "")

    def _is_busy(self, vm_id: int) -> bool:
        vm = self._services.store.read().first(VmRow, '"id"=?', (vm_id,))
        return vm is not None and vm.job_id != 0

    def _note(self, row: ScheduleRow, message: str) -> None:
        """It was done, or failed; and when it is due next."""
        self._later.pop(row.id, None)

        def work(tx: Transaction) -> None:
            try:
                found = tx.get(ScheduleRow, row.id)
            except NotFoundError:
                return  # it was taken away meanwhile, or went with its VM
            if found.runs != row.runs:
                return
            runs = row.runs + 1
            at = following(plan_in(found), row.at, tx.now, runs)
            tx.swap(found, at=at, done=tx.now, runs=runs, message=message[:1000])
            happened = "schedule.failed" if message else "schedule.done"
            facts = {"name": row.name, "vm": row.vm_id, "action": row.action, **({"error": message[:1000]} if message else {})}
            tx.event(happened, "schedule", row.id, actor=row.actor, **facts)
            thin_out(tx, row.vm_id)

        self._services.store.write(work)

"""What the verbs of VMs share: the way of a verb through the transition table, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.drs.planner import Planner
from nebula.engine.jobs.operations.common import forget_machine
from nebula.engine.jobs.runner import Runner
from nebula.engine.leases import Leases
from nebula.engine.lifecycle.kept import verb_of
from nebula.engine.lifecycle.moves import guard, move, place_of
from nebula.engine.lifecycle.states import LcmState
from nebula.engine.lifecycle.table import DONE, OFF_HOST, Transition
from nebula.engine.local.adoption import require_verb
from nebula.engine.local.base import OwnedNoun, resolve
from nebula.engine.local.booking import book
from nebula.engine.onegate import forget_ready
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError

_NOTHING: Mapping[str, int] = MappingProxyType({})
LIVE = '"state"<>6'
_BOOTS = frozenset({LcmState.BOOT, LcmState.BOOT_POWEROFF, LcmState.BOOT_UNDEPLOY})


def _boots(row: Transition) -> bool:
    """Whether the guest begins anew, and does not go on with the memory that it had."""
    return row.job == "vm.reboot" or any(phase.transient.lcm in _BOOTS for phase in row.phases)


class VmNoun(OwnedNoun):
    """Base of the VMs' part of the façade."""

    noun = "vm"
    kind = VmRow

    def __init__(self, services: Services, runner: Runner, leases: Leases, planner: Planner) -> None:
        super().__init__(services, runner)
        self._leases = leases
        self._planner = planner

    def _find(self, queries: Queries, ref: str, *, done: bool = False) -> VmRow:
        return resolve(queries, VmRow, ref, condition="" if done else LIVE)

    def _verb(self, ref: str, verb: str, call: Call, **args: Any) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            return self._start(tx, vm, guard(vm, verb_of(vm, verb)), call, args)

        return self._change(call, work)

    def _start(
        self, tx: Transaction, vm: VmRow, row: Transition, call: Call, args: Mapping[str, Any], *, parent: int = 0,
        booked: Mapping[str, int] = _NOTHING,
    ) -> Accepted:  # fmt: skip
        """Into the row's first phase with a job, or to its end without one. `booked`: see booking.book."""
        require_verb(vm, row.verb)
        if call.dry_run:
            return self._would(tx, vm, row, args)
        if not row.job:
            return self._at_once(tx, vm, row, call)
        source = place_of(vm)
        if _boots(row):
            forget_ready(tx, vm)
        filed = {"verb": row.verb, "source": [int(source.state), int(source.lcm)], "host": vm.host_id, **args}
        job = self._file(tx, row.job, vm.id, call, filed, parent=parent)
        place = row.phases[0].transient if row.phases else source
        move(tx, vm, place, reason=str(args.get("reason", "")), actor=call.actor, job_id=job.id, **booked)
        return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job.id)

    def _would(self, tx: Transaction, vm: VmRow, row: Transition, args: Mapping[str, Any]) -> Accepted:
        """What a dry run says; the guards and the room were checked already."""
        where = f" on host {tx.get(HostRow, int(args['host'])).name}" if args.get("host") else ""
        end = row.success.name if row.success else place_of(vm).name
        words = f"{row.verb} VM {vm.name} ({vm.id}){where}: {place_of(vm).name} to {end}"
        return Accepted(kind="vm", id=vm.id, name=vm.name, would=(words,))

    def _at_once(self, tx: Transaction, vm: VmRow, row: Transition, call: Call) -> Accepted:
        if row.success is None:
            raise ConflictError(f"VM {vm.name}: {row.verb} does nothing now", hint=f"nebula vm describe {vm.id}")
        if row.success == DONE:
            if vm.job_id:
                raise ConflictError(f"VM {vm.name} is busy with job {vm.job_id}", hint=f"nebula job cancel {vm.job_id}")
            free = tx.rows('SELECT "range_id", "position" FROM "lease" WHERE "vm_id"=?', (vm.id,))
            forget_machine(tx, vm, self._services)
            tx.after_commit(lambda: self._leases.came_free([(int(number), int(place)) for number, place in free]))
            move(tx, vm, DONE, actor=call.actor, host_id=-1, kept_on=-1)
        elif row.success in OFF_HOST:
            move(tx, vm, row.success, actor=call.actor, host_id=-1)
        else:
            move(tx, vm, row.success, actor=call.actor)
        return Accepted(kind="vm", id=vm.id, name=vm.name)

    def _place(self, tx: Transaction, vm: VmRow, target: HostRow, row: Transition, call: Call, reason: str) -> Accepted:
        booked = book(tx, vm, target, call.actor, reason)
        return self._start(tx, vm, row, call, {"host": target.id, "reason": reason}, booked=booked)

    def _cancel_job(self, tx: Transaction, vm: VmRow, call: Call) -> Accepted:
        job = tx.get(JobRow, vm.job_id)
        self._cancel(tx, job, call)
        return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job.id)

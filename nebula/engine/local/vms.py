"""Virtual machines of the façade: creating and looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nebula.engine.api.values import Accepted, Call, Detail, Listing, LogLine
from nebula.engine.api.verbs import ByteStream, Tunnel
from nebula.engine.jobs.operations.common import forget_machine
from nebula.engine.jobs.runner import Runner
from nebula.engine.leases import Leases
from nebula.engine.lifecycle.moves import guard, move, place_of
from nebula.engine.lifecycle.states import HostState
from nebula.engine.lifecycle.table import DONE, Transition
from nebula.engine.local import vm_access, vm_views
from nebula.engine.local.base import Noun, resolve
from nebula.engine.local.booking import book, choose_target, require_room
from nebula.engine.local.creation import Creation
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.machines.template import regular, yes
from nebula.engine.services import Services
from nebula.engine.store.rows import HistoryRow, HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, UsageError
from nebula.names import check_name

_LIVE = '"state"<>6'


class LocalVms(Noun):
    """See nebula.engine.api.verbs.Vms."""

    noun = "vm"

    def __init__(self, services: Services, runner: Runner, leases: Leases) -> None:
        super().__init__(services, runner)
        self._leases = leases

    def show(self, ref: str, refresh: bool = False) -> Detail:
        """One VM, whole; `refresh` asks its host first."""
        vm = self._find(self._store.read(), ref)
        reality = vm_views.look(self._services, vm) if refresh else None
        return vm_views.show(self._store.read(), self._store.read().get(VmRow, vm.id), reality)

    def describe(self, ref: str) -> Detail:
        """See Vms.describe."""
        queries = self._store.read()
        return vm_views.describe(queries, self._find(queries, ref))

    def log(self, ref: str) -> list[LogLine]:
        """What happened to the VM, oldest first."""
        queries = self._store.read()
        return vm_views.log(queries, self._find(queries, ref, done=True))

    def history(self, ref: str) -> Listing:
        """Its stays on hosts."""
        queries = self._store.read()
        vm = self._find(queries, ref, done=True)
        rows = queries.select(HistoryRow, '"vm_id"=? ORDER BY "seq"', (vm.id,))
        columns = ("seq", "host", "action", "reason", "actor", "started", "ended")
        return Listing(columns=columns, rows=[[getattr(row, name) for name in columns] for row in rows])

    def create(self, template: Mapping[str, Any], call: Call, hold: bool = False) -> Accepted:
        """See Vms.create."""
        given = regular(template)
        check_name("vm", str(given.get("NAME", "") or "vm"))

        def work(tx: Transaction) -> Accepted:
            vm = Creation(tx, self._services, self._leases, call.actor).create(given, hold=hold)
            would = (f"create VM {vm.name}: {vm.cpu / 100:g} CPU, {vm.memory} MiB, address {vm.ips or 'none'}",)
            return Accepted(kind="vm", id=vm.id, name=vm.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def hold(self, ref: str, call: Call) -> Accepted:
        """PENDING to HOLD."""
        return self._verb(ref, "hold", call)

    def release(self, ref: str, call: Call) -> Accepted:
        """HOLD to PENDING."""
        return self._verb(ref, "release", call)

    def deploy(self, ref: str, host: str, call: Call) -> Accepted:
        """Put a waiting VM on a host that a person chose."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, "deploy")
            target = resolve(tx, HostRow, host)
            require_room(tx, vm, target)
            return self._place(tx, vm, target, row, call, "chosen by " + (call.actor or "a person"))

        return self._change(call, work)

    def place(self, tx: Transaction, vm_id: int, host_id: int, reason: str, call: Call) -> Accepted:
        """The scheduler's way to the same verb: re-checks against the present."""
        vm = tx.get(VmRow, vm_id)
        row = guard(vm, "deploy")
        target = tx.get(HostRow, host_id)
        if target.state != HostState.MONITORED:
            raise ConflictError(f"host {target.name} is {HostState(target.state).name} by now", hint="nebula host list")
        require_room(tx, vm, target)
        return self._place(tx, vm, target, row, call, reason)

    def poweroff(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Soft: the guest is asked; hard: the plug."""
        return self._verb(ref, "poweroff", call, hard=hard)

    def resume(self, ref: str, call: Call) -> Accepted:
        """On again."""
        return self._verb(ref, "resume", call)

    def reboot(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Soft: the guest is asked; hard: reset."""
        return self._verb(ref, "reboot", call, hard=hard)

    def migrate(self, ref: str, host: str, call: Call, live: bool = False) -> Accepted:
        """See Vms.migrate."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            return self.migrate_in(tx, vm, host, call, live=live)

        return self._change(call, work)

    def migrate_in(
        self, tx: Transaction, vm: VmRow, host: str, call: Call, *, live: bool, parent: int = 0, reason: str = ""
    ) -> Accepted:
        """A migration inside a transaction that is open already (evacuation files many)."""
        row = guard(vm, "migrate-live" if live else "migrate")
        target = resolve(tx, HostRow, host) if host else choose_target(tx, vm)
        if target.id == vm.host_id:
            raise ConflictError(f"VM {vm.name} is on host {target.name} already", hint="nebula host list")
        require_room(tx, vm, target)
        args = {"host": target.id, "from": vm.host_id, "reason": reason}
        tx.swap(vm, target_host=target.id)
        return self._start(tx, vm, row, call, args, parent=parent)

    def terminate(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Soft: the guest is asked to shut down first."""
        return self._verb(ref, "terminate", call, hard=hard)

    def recover(
        self, ref: str, operation: Literal["failure", "success", "retry", "delete", "recreate", "delete-db"], call: Call
    ) -> Accepted:
        """See section "Recover" of docs/vm.md."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            if operation == "failure" and vm.job_id:
                return self._cancel_job(tx, vm, call)
            row = guard(vm, f"recover-{operation}")
            if operation == "success" and vm.host_id < 0:
                raise ConflictError(
                    f"VM {vm.name} is on no host: it cannot be RUNNING", hint=f"nebula vm recover {vm.id} --retry"
                )
            if operation == "retry" and row.job == "vm.deploy":
                return self._retry_deploy(tx, vm, row, call)
            return self._start(tx, vm, row, call, {})

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Only the name that people use; the domain keeps its own."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            tx.swap(vm, name=check_name("vm", name))
            tx.event("vm.renamed", "vm", vm.id, actor=call.actor, name=vm.name)
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.update."""
        given = regular(changes)
        fixed = {"DISK", "NIC", "CPU", "VCPU", "MEMORY", "NAME", "OS", "CONTEXT", "GRAPHICS"} & set(given)
        if fixed:
            raise UsageError(f"{min(fixed)} cannot be changed this way", hint="nebula vm --help lists the verbs")

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            machine = machine_of(vm)
            machine.template.update({key: value for key, value in given.items() if value not in (None, "")})
            for key in [key for key, value in given.items() if value in (None, "")]:
                machine.template.pop(key, None)
            tx.swap(vm, body=body_of(machine), autostart=int(yes(machine.template.get("AUTOSTART", ""))))
            tx.event("vm.updated", "vm", vm.id, actor=call.actor, name=vm.name, attributes=sorted(given))
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def console(self, ref: str) -> ByteStream:
        """The serial console of a running VM."""
        return vm_access.console(self._services, self._find(self._store.read(), ref))

    def graphics(self, ref: str) -> Tunnel:
        """A loopback port that leads to the VM's graphical console."""
        return vm_access.graphics(self._services, self._find(self._store.read(), ref))

    # --- shared by the verbs

    def _find(self, queries: Queries, ref: str, *, done: bool = False) -> VmRow:
        return resolve(queries, VmRow, ref, condition="" if done else _LIVE)

    def _verb(self, ref: str, verb: str, call: Call, **args: Any) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            return self._start(tx, vm, guard(vm, verb), call, args)

        return self._change(call, work)

    def _start(
        self, tx: Transaction, vm: VmRow, row: Transition, call: Call, args: Mapping[str, Any], *, parent: int = 0
    ) -> Accepted:
        """Into the row's first phase with a job, or to its end without one."""
        if call.dry_run:
            return self._would(tx, vm, row, args)
        if not row.job:
            return self._at_once(tx, vm, row, call)
        source = place_of(vm)
        filed = {"verb": row.verb, "source": [int(source.state), int(source.lcm)], "host": vm.host_id, **args}
        job = self._file(tx, row.job, vm.id, call, filed, parent=parent)
        place = row.phases[0].transient if row.phases else source
        move(tx, vm, place, reason=str(args.get("reason", "")), actor=call.actor, job_id=job.id)
        return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job.id)

    def _would(self, tx: Transaction, vm: VmRow, row: Transition, args: Mapping[str, Any]) -> Accepted:
        """What a dry run says; the guards and the room were checked already."""
        where = f" on host {tx.get(HostRow, int(args['host'])).name}" if args.get("host") else ""
        end = row.success.name if row.success else place_of(vm).name
        words = f"{row.verb} VM {vm.name} ({vm.id}){where}: {place_of(vm).name} to {end}"
        return Accepted(kind="vm", id=vm.id, name=vm.name, would=(words,))

    def _at_once(self, tx: Transaction, vm: VmRow, row: Transition, call: Call) -> Accepted:
        if row.success is None:
            raise ConflictError(f"VM {vm.name}: {row.verb} does nothing now")
        if row.success == DONE:
            if vm.job_id:
                raise ConflictError(f"VM {vm.name} is busy with job {vm.job_id}", hint=f"nebula job cancel {vm.job_id}")
            forget_machine(tx, vm)
            tx.after_commit(self._leases.forget)
            move(tx, vm, DONE, actor=call.actor, host_id=-1)
        else:
            move(tx, vm, row.success, actor=call.actor)
        return Accepted(kind="vm", id=vm.id, name=vm.name)

    def _place(self, tx: Transaction, vm: VmRow, target: HostRow, row: Transition, call: Call, reason: str) -> Accepted:
        book(tx, vm, target, call.actor, reason)
        return self._start(tx, vm, row, call, {"host": target.id, "reason": reason})

    def _retry_deploy(self, tx: Transaction, vm: VmRow, row: Transition, call: Call) -> Accepted:
        last = tx.first(JobRow, '"target_kind"=\'vm\' AND "target_id"=? AND "kind"=\'vm.deploy\' ORDER BY "id" DESC', (vm.id,))
        asked = int(last.args["host"]) if last else vm.host_id
        target = tx.first(HostRow, '"id"=? AND "state"=?', (asked, int(HostState.MONITORED))) or choose_target(tx, vm)
        require_room(tx, vm, target)
        return self._place(tx, vm, target, row, call, "tried again")

    def _cancel_job(self, tx: Transaction, vm: VmRow, call: Call) -> Accepted:
        job = tx.get(JobRow, vm.job_id)
        tx.change(job, cancel=1)
        tx.event("job.cancel", "job", job.id, actor=call.actor)
        tx.after_commit(lambda: self._runner.cancel(job.id, f"cancelled by {call.actor or 'a person'}"))
        return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job.id)

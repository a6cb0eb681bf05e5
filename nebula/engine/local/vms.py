"""Virtual machines of the façade: creating and looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nebula.engine.api.values import Accepted, Call, Detail, Listing, LogLine
from nebula.engine.api.verbs import ByteStream, Tunnel
from nebula.engine.context import asks_token, changed
from nebula.engine.drs.settings import policy_of
from nebula.engine.lifecycle.kept import verb_of
from nebula.engine.lifecycle.moves import guard, place_of
from nebula.engine.lifecycle.states import HostState
from nebula.engine.lifecycle.table import CLONING_FAILURE, RUNNING, Transition
from nebula.engine.local import adoption, vm_access, vm_views
from nebula.engine.local.base import resolve
from nebula.engine.local.booking import (
    choose_target,
    require_company,
    require_home,
    require_memory,
    require_portable,
    require_room,
    require_rules,
    require_way,
)
from nebula.engine.local.creation import Creation, with_password
from nebula.engine.local.reserving import reserve
from nebula.engine.local.settling import require_images, settle
from nebula.engine.local.vm_backups import BackupVerbs
from nebula.engine.local.vm_definition import FIXED, with_definition
from nebula.engine.local.vm_devices import DeviceVerbs
from nebula.engine.local.vm_guests import GuestVerbs
from nebula.engine.local.vm_moving import MovingVerbs
from nebula.engine.local.vm_saving import SavingVerbs
from nebula.engine.local.vm_snapshots import SnapshotVerbs
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.machine import Machine, body_of, machine_of
from nebula.engine.machines.template import regular, yes
from nebula.engine.onegate import new_token
from nebula.engine.scheduler.membership import GROUP, join, membership_of
from nebula.engine.scheduler.wish_checks import check_wishes
from nebula.engine.serving import leases_changed
from nebula.engine.store.rows import ClusterRow, HistoryRow, HostRow, ImageRow, JobRow, LeaseRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, UsageError
from nebula.names import check_name


class LocalVms(GuestVerbs, MovingVerbs, DeviceVerbs, SnapshotVerbs, SavingVerbs, BackupVerbs):
    """See nebula.engine.api.verbs.Vms."""

    def show(self, ref: str, refresh: bool = False) -> Detail:
        """One VM, whole; `refresh` asks its host first."""
        vm = self._find(self._store.read(), ref)
        reality = vm_views.look(self._services, vm) if refresh else None
        return vm_views.show(self._store.read(), self._store.read().get(VmRow, vm.id), reality)

    def describe(self, ref: str) -> Detail:
        """See Vms.describe."""
        queries = self._store.read()
        return vm_views.describe(queries, self._find(queries, ref))

    def explain(self, ref: str) -> Detail:
        """See Vms.explain."""
        queries = self._store.read()
        return vm_views.explain(queries, self._find(queries, ref))

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
        adoption.require_new(given)

        def work(tx: Transaction) -> Accepted:
            vm = Creation(tx, self._services, self._leases, call.actor, self.person).create(given, hold=hold)
            would = (f"create VM {vm.name}: {vm.cpu / 100:g} CPU, {vm.memory} MiB, address {vm.ips or 'none'}",)
            return Accepted(kind="vm", id=vm.id, name=vm.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def hold(self, ref: str, call: Call) -> Accepted:
        """PENDING to HOLD."""
        return self._verb(ref, "hold", call)

    def release(self, ref: str, call: Call) -> Accepted:
        """HOLD to PENDING."""
        return self._verb(ref, "release", call)

    def deploy(self, ref: str, host: str, call: Call, force: bool = False) -> Accepted:
        """Put a waiting VM on a host that a person chose; with `force` also against the rules of its group."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, verb_of(vm, "deploy"))
            target = resolve(tx, HostRow, host)
            require_room(tx, vm, target)
            if not force:
                require_rules(tx, vm, target)
            return self._place(tx, vm, target, row, call, "chosen by " + (call.actor or "a person"))

        return self._change(call, work)

    def place(self, tx: Transaction, vm_id: int, host_id: int, reason: str, call: Call) -> Accepted:
        """The scheduler's way to the same verb: re-checks against the present."""
        vm = tx.get(VmRow, vm_id)
        row = guard(vm, verb_of(vm, "deploy"))
        target = tx.known(HostRow, host_id)
        if target.state != HostState.MONITORED:
            raise ConflictError(f"host {target.name} is {HostState(target.state).name} by now", hint="nebula host list")
        require_room(tx, vm, target)
        require_company(tx, vm, target)
        require_rules(tx, vm, target)
        return self._place(tx, vm, target, row, call, reason)

    def poweroff(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Soft: the guest is asked; hard: the plug."""
        return self._verb(ref, "poweroff", call, hard=hard)

    def resume(self, ref: str, call: Call) -> Accepted:
        """On again."""
        return self._verb(ref, "resume", call)

    def suspend(self, ref: str, call: Call) -> Accepted:
        """See Vms.suspend."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, "suspend")
            require_memory(tx, self._services, vm)
            return self._start(tx, vm, row, call, {})

        return self._change(call, work)

    def stop(self, ref: str, call: Call) -> Accepted:
        """See Vms.stop."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, "stop")
            require_memory(tx, self._services, vm)
            require_portable(vm)
            require_home(vm)
            return self._start(tx, vm, row, call, {})

        return self._change(call, work)

    def undeploy(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """See Vms.undeploy."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, "undeploy")
            require_portable(vm)
            return self._start(tx, vm, row, call, {"hard": hard})

        return self._change(call, work)

    def resched(self, ref: str, call: Call) -> Accepted:
        """See Vms.resched."""
        return self._mark(ref, "resched", 1, call)

    def unresched(self, ref: str, call: Call) -> Accepted:
        """Take the mark away."""
        return self._mark(ref, "unresched", 0, call)

    def _mark(self, ref: str, verb: str, mark: int, call: Call) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            guard(vm, verb)
            if mark:
                require_portable(vm)
            tx.swap(vm, resched=mark)
            tx.event(f"vm.{verb}", "vm", vm.id, actor=call.actor, name=vm.name)
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def move_away(self, tx: Transaction, vm_id: int, call: Call) -> Accepted:
        """The scheduler's way to move a VM that is marked: alive where it runs. ConflictError for one that is not any more, as
        a migration that has just ended took the mark away.
        """
        vm = tx.get(VmRow, vm_id)
        if not vm.resched:
            raise ConflictError(f"VM {vm.name} ({vm.id}) is not marked", hint=f"nebula vm resched {vm.id}")
        return self.migrate_in(tx, vm, "", call, live=place_of(vm) == RUNNING, reason="resched")

    def reboot(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Soft: the guest is asked; hard: reset."""
        return self._verb(ref, "reboot", call, hard=hard)

    def migrate(self, ref: str, host: str, call: Call, live: bool = False, force: bool = False, hard: bool = False) -> Accepted:
        """See Vms.migrate."""
        if live and hard:
            raise UsageError("a live migration does not switch the VM off", hint="leave one of --live and --hard out")

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            return self.migrate_in(tx, vm, host, call, live=live, force=force, hard=hard)

        return self._change(call, work)

    def migrate_in(
        self,
        tx: Transaction,
        vm: VmRow,
        host: str,
        call: Call,
        *,
        live: bool,
        parent: int = 0,
        reason: str = "",
        force: bool = False,
        hard: bool = False,
    ) -> Accepted:
        """A migration inside a transaction that is open already (evacuation files many)."""
        row = guard(vm, "migrate-live" if live else "migrate")
        target = resolve(tx, HostRow, host) if host else choose_target(tx, vm)
        if target.id == vm.host_id:
            raise ConflictError(f"VM {vm.name} is on host {target.name} already", hint="nebula host list")
        require_way(tx, vm, target, live=live)
        adoption.require_travel(tx, self._services, vm, live=live)
        require_room(tx, vm, target)
        if not force:
            require_rules(tx, vm, target)
        reserve(tx, vm, target)
        args = {"host": target.id, "from": vm.host_id, "reason": reason, **({"hard": True} if hard else {})}
        tx.swap(vm, target_host=target.id)
        return self._start(tx, vm, row, call, args, parent=parent)

    def cancel_in(self, tx: Transaction, job: JobRow, call: Call, reason: str) -> None:
        """A job is cancelled inside a transaction that is open already (an evacuation calls its migrations back)."""
        self._cancel(tx, job, call, reason)

    def targets(self, host_id: int, reason: str) -> dict[int, int]:
        """See nebula.engine.jobs.base.Verbs. Members of a group go where the group goes, which the scheduler knows."""
        queries = self._store.read()
        cluster = queries.get(ClusterRow, queries.get(HostRow, host_id).cluster_id)
        plan = self._planner.plan(cluster, policy_of(cluster), {host_id: reason})
        last = {move.vm_id: move.target_id for move in plan.moves}
        here = queries.select(VmRow, '"host_id"=? AND "state"<>6', (host_id,))
        return {vm.id: last[vm.id] for vm in here if vm.id in last and not membership_of(machine_of(vm).template).group_id}

    def adopt(self, host: str, domain: str, call: Call, name: str = "") -> Accepted:
        """See Vms.adopt."""
        row = resolve(self._store.read(), HostRow, host)
        found = adoption.find(self._services, row, domain)
        checked = check_name("vm", name or found.name)

        def work(tx: Transaction) -> Accepted:
            belongs = self._belongs(call)
            vm = adoption.adopt(tx, tx.get(HostRow, row.id), found, checked, belongs, self._services.new_uuid())
            tx.event("vm.adopted", "vm", vm.id, actor=call.actor, name=vm.name, domain=found.name, host=row.name)
            would = (f"adopt domain {found.name} on host {row.name}, which is {place_of(vm).name}, as VM {vm.name}",)
            return Accepted(kind="vm", id=vm.id, name=vm.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def disown(self, ref: str, call: Call) -> Accepted:
        """See Vms.disown."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard(vm, "disown")
            adoption.require_adopted(vm)
            if call.dry_run:
                return self._would(tx, vm, row, {})
            accepted = self._at_once(tx, vm, row, call)
            tx.swap(vm, uuid=self._services.new_uuid())  # the domain's own is nobody's now
            tx.event("vm.disowned", "vm", vm.id, actor=call.actor, name=vm.name)
            return accepted

        return self._change(call, work)

    def terminate(self, ref: str, call: Call, hard: bool = False, delete_disks: bool = False) -> Accepted:
        """Soft: the guest is asked to shut down first."""
        return self._verb(ref, "terminate", call, hard=hard, delete_disks=delete_disks)

    def recover(
        self, ref: str, operation: Literal["failure", "success", "retry", "delete", "recreate", "delete-db"], call: Call
    ) -> Accepted:
        """See section "Recover" of docs/vm.md."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            if vm.job_id and operation in {"failure", "retry"}:
                return self._cancel_job(tx, vm, call) if operation == "failure" else self._poke_job(tx, vm)
            if operation == "recreate":
                adoption.require_ours(vm)
            row = guard(vm, verb_of(vm, f"recover-{operation}"))
            if operation == "success":
                settle(tx, self._services, vm)
            if operation == "retry" and place_of(vm) == CLONING_FAILURE:
                row = require_images(tx, vm)
            if operation == "retry" and row.job.startswith("vm.deploy"):
                return self._retry_deploy(tx, vm, row, call)
            return self._start(tx, vm, row, call, {})

        return self._change(call, work)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Only the name that people use; the domain keeps its own."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            tx.swap(vm, name=check_name("vm", name))
            tx.event("vm.renamed", "vm", vm.id, actor=call.actor, name=vm.name)
            leases_changed(tx, self._services, tx.select(LeaseRow, '"vm_id"=?', (vm.id,)), call.actor)
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.update."""
        given = regular(changes)
        fixed = FIXED & set(given)
        if fixed:
            raise UsageError(f"{min(fixed)} cannot be changed this way", hint="nebula vm --help lists the verbs")

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            if given.get("CONTEXT"):
                adoption.require_context(vm)
            machine, changes = machine_of(vm), with_password(with_definition(vm, given), self._services.new_uuid)
            context = self._context_after(tx, vm, machine, given.get("CONTEXT") or {}, call)
            machine.template.update({key: value for key, value in changes.items() if value not in (None, "", {})})
            for key in [key for key, value in changes.items() if value in (None, "", {})]:
                machine.template.pop(key, None)
            if context:
                machine.template["CONTEXT"] = context
                machine.token = (machine.token or new_token()) if asks_token(context) else ""
            check_wishes(tx, {**machine.template, "NAME": vm.name}, of=given)
            disks, nics = machine.disk_ids, machine.nic_ids
            check_hardware(machine.template, vcpus=vm.vcpus, memory=vm.memory, disks=disks, nics=nics)
            if "OS" in given:
                Creation(tx, self._services, self._leases, call.actor, self.person).check_boot_files(machine.template)
            if GROUP in given:
                join(tx, vm, machine.template, self.person)
            tx.swap(vm, body=body_of(machine), autostart=int(yes(machine.template, "AUTOSTART")))
            tx.event("vm.updated", "vm", vm.id, actor=call.actor, name=vm.name, attributes=sorted(given))
            if given.get("CONTEXT") and (vm.job_id or place_of(vm) == RUNNING):
                return self._start(tx, vm, guard(vm, "update-context"), call, {})
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def _context_after(
        self, tx: Transaction, vm: VmRow, machine: Machine, changes: Mapping[str, Any], call: Call
    ) -> dict[str, Any]:
        """The VM's context with these changes, their variables filled."""
        before: dict[str, Any] = machine.template.get("CONTEXT") or {}
        if not changes:
            return before
        asked = Machine(template={**machine.template, "CONTEXT": changes}, disks=machine.disks, nics=machine.nics)
        images = [tx.get(ImageRow, disk.image_id) for disk in machine.disks if disk.image_id > 0]
        creation = Creation(tx, self._services, self._leases, call.actor, self.person)
        context = changed(before, creation.filled(vm, asked, images))
        creation.check_context(context)
        return context

    def console(self, ref: str) -> ByteStream:
        """The serial console of a running VM."""
        return vm_access.console(self._services, self._find(self._store.read(), ref))

    def graphics(self, ref: str) -> Tunnel:
        """A loopback port that leads to the VM's graphical console."""
        return vm_access.graphics(self._services, self._find(self._store.read(), ref))

    # --- parts

    def _poke_job(self, tx: Transaction, vm: VmRow) -> Accepted:
        """A job that waits for a host or a time is tried now."""
        job_id = vm.job_id
        tx.after_commit(lambda: self._runner.poke([job_id]))
        return Accepted(kind="vm", id=vm.id, name=vm.name, job_id=job_id)

    def _retry_deploy(self, tx: Transaction, vm: VmRow, row: Transition, call: Call) -> Accepted:
        last = tx.first(JobRow, '"target_kind"=\'vm\' AND "target_id"=? AND "kind"=? ORDER BY "id" DESC', (vm.id, row.job))
        asked = int(last.args["host"]) if last else vm.host_id
        target = tx.first(HostRow, '"id"=? AND "state"=?', (asked, int(HostState.MONITORED))) or choose_target(tx, vm)
        require_room(tx, vm, target)
        return self._place(tx, vm, target, row, call, "tried again")

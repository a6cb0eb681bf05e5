"""vm.snapshot-*: memory and disks of a whole VM, which its host keeps within its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.machines.machine import Snapshot, body_of, machine_of
from nebula.engine.store.rows import VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _name(context: JobContext) -> str:
    """As OpenNebula calls it on the host."""
    return f"snap-{int(context.job.args['snapshot'])}"


def _create(context: JobContext) -> None:
    vm = context.vm()
    context.hypervisor(vm.host_id).snapshot(vm.uuid, _name(context))


def _revert(context: JobContext) -> None:
    vm = context.vm()
    context.hypervisor(vm.host_id).revert(vm.uuid, _name(context))


def _delete(context: JobContext) -> None:
    vm = context.vm()
    context.hypervisor(vm.host_id).delete_snapshot(vm.uuid, _name(context))


class SystemSnapshots:
    """Ends with the VM's row saying what its host keeps."""

    def __init__(self, kind: str, step: Step) -> None:
        self.kind = kind
        self.steps = (step,)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """One more, or one fewer."""
        vm = transaction.get(VmRow, job.target_id)
        machine, number = machine_of(vm), int(job.args["snapshot"])
        if self.kind == CREATE.kind:
            machine.snapshots.append(Snapshot(snapshot_id=number, name=str(job.args["name"]), created=transaction.now))
            machine.snapshots_made = number
        elif self.kind == REVERT.kind:
            if machine.chain is not None:
                machine.chain.broken = "the VM went back to a snapshot since"
        else:
            machine.snapshots = [one for one in machine.snapshots if one.snapshot_id != number]
        transaction.swap(vm, body=body_of(machine))

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """What is kept is as it was."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


CREATE = SystemSnapshots("vm.snapshot-create", Step("keep memory and disks", _create, _delete, "snapshot"))
REVERT = SystemSnapshots("vm.snapshot-revert", Step("go back", _revert, None, "snapshot"))
DELETE = SystemSnapshots("vm.snapshot-delete", Step("delete snapshot", _delete, None, "snapshot"))
DELETE_OFF = SystemSnapshots("vm.snapshot-delete-off", Step("delete snapshot", _delete, None, "snapshot"))

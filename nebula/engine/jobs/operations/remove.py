"""vm.terminate, vm.delete, vm.recreate: a VM leaves its host and nothing of it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.power import shut_down
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.disks import made_anew
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.machines.snapshots import forgotten
from nebula.engine.store.rows import HostRow, ImageRow, VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _hosts(context: JobContext) -> list[int]:
    """Where something of the VM may be: its host, the one that keeps its disks (any one for those on shared storage), and
    the target of a migration that failed.
    """
    vm = context.vm()
    rows = context.services.store.read().select(HostRow, '1=1 ORDER BY "id"')
    found = [vm.host_id, vm.kept_on, *machine_of(vm).left_on]
    here = [host_id for host_id in dict.fromkeys(found) if host_id in {row.id for row in rows}]
    if vm.kept_on != 0:
        return here
    fit = [row.id for row in rows if row.cluster_id == vm.cluster_id and row.state == HostState.MONITORED]
    return here or fit[:1]


def _shutdown(context: JobContext) -> None:
    host_id = context.vm().host_id
    if host_id > 0:
        shut_down(context, host_id, hard=bool(context.job.args.get("hard")))


def _remove_domain(context: JobContext) -> None:
    uuid = context.vm().uuid
    for host_id in _hosts(context):
        common.remove_domain(context, host_id, uuid)


def _unplug(context: JobContext) -> None:
    site = common.site(context)
    for host_id in _hosts(context):
        common.unplug(site, host_id)


def _remove_disks(context: JobContext) -> None:
    site = common.site(context)
    adopted = site.machine.adopted
    if adopted is not None and context.job.args.get("delete_disks"):
        context.hypervisor(site.vm.host_id).delete_files(adopted.own_files())
    for host_id in _hosts(context):
        common.remove_disks(site, host_id)


def _clear(phase: str) -> tuple[Step, ...]:
    return (
        Step("remove domain", _remove_domain, None, phase),
        Step("unplug cards", _unplug, None, phase),
        Step("remove disks", _remove_disks, None, phase),
    )


class Remove:
    """Ends in DONE (leases and images given back) or, recreated, in PENDING."""

    def __init__(self, kind: str, steps: tuple[Step, ...], *, recreate: bool = False) -> None:
        self.kind = kind
        self.steps = steps
        self._recreate = recreate

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Give back what it held."""
        vm = transaction.get(VmRow, job.target_id)
        if self._recreate:
            common.end_stay(transaction, vm)
            machine = machine_of(vm)
            machine.failures, machine.waiting, machine.not_before, machine.left_on = 0, None, 0.0, []
            machine.memory, machine.snapshots, machine.snapshots_made = False, [], 0
            for disk in machine.disks:
                forgotten(disk)
                if disk.whole:
                    made_anew(disk, transaction.get(ImageRow, disk.image_id))
            transaction.swap(vm, host_id=-1, kept_on=-1, body=body_of(machine), cpu_used=-1, memory_used=-1)
            return
        common.forget_machine(transaction, vm, services)
        transaction.swap(vm, host_id=-1, kept_on=-1, cpu_used=-1, memory_used=-1)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """What is left stays booked, so that it can be tried again."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


TERMINATE = Remove("vm.terminate", (Step("shut down", _shutdown, None, "shutdown"), *_clear("epilog")))
TERMINATE_OFF = Remove("vm.terminate-off", _clear("epilog"))
DELETE = Remove("vm.delete", _clear("cleanup"))
RECREATE = Remove("vm.recreate", _clear("cleanup"), recreate=True)

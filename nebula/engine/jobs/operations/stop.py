"""vm.stop, vm.undeploy: a VM leaves its host. Its disks stay in their datastores and, stopped, its memory beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.power import OFF, shut_down
from nebula.engine.jobs.operations.suspend import wake
from nebula.engine.machines.machine import Machine, body_of, machine_of
from nebula.engine.store.rows import DatastoreRow, VmRow
from nebula.errors import ConflictError

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def home_of(site: common.Site) -> Datastore:
    """The datastore that keeps the VM's memory."""
    if site.home is None:
        raise ConflictError(f"VM {site.vm.name} has no datastore that could keep its memory")
    return site.home


def _forget_old(context: JobContext) -> None:
    """While the guest's memory is elsewhere, a file of it is an old one."""
    vm = context.vm()
    reality = context.hypervisor(vm.host_id).lookup(vm.uuid)
    if reality is not None and (reality.saved or reality.state not in OFF):
        home_of(common.site(context)).remove_memory(context.handle(vm.host_id), vm.id)


def _save(context: JobContext) -> None:
    vm = context.vm()
    path = home_of(common.site(context)).memory_path(context.handle(vm.host_id), vm.id)
    context.hypervisor(vm.host_id).save(vm.uuid, path, progress=context.report, cancel=context.cancel)


def _unsave(context: JobContext) -> None:
    """The guest has its memory again, and the file of it is gone before it runs; one that was suspended stays so."""
    vm, home = context.vm(), home_of(common.site(context))
    reality = context.hypervisor(vm.host_id).lookup(vm.uuid)
    if reality is not None and reality.saved:
        return
    handle = context.handle(vm.host_id)
    wake(context, vm.host_id, home.memory_path(handle, vm.id))
    home.remove_memory(handle, vm.id)
    if context.job.kind == "vm.stop":
        context.hypervisor(vm.host_id).unpause(vm.uuid)


def _shut_down(context: JobContext) -> None:
    shut_down(context, context.vm().host_id, hard=bool(context.job.args.get("hard")))


def _unplug(context: JobContext) -> None:
    common.unplug(common.site(context), context.vm().host_id)


def _forget_domain(context: JobContext) -> None:
    vm = context.vm()
    common.remove_domain(context, vm.host_id, vm.uuid)


_LEAVE = (Step("unplug cards", _unplug, None, "epilog"), Step("forget domain", _forget_domain, None, "epilog", noted=True))


class Leave:
    """Ends with the VM on no host; `memory`: it goes on from there."""

    def __init__(self, kind: str, steps: tuple[Step, ...], *, memory: bool) -> None:
        self.kind = kind
        self.steps = steps
        self._memory = memory

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The host's capacity is free."""
        left(transaction, transaction.get(VmRow, job.target_id), services, memory=self._memory)
        job.facts = {**job.facts, "reason": "by " + (job.actor or "nebula")}

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """It keeps its host."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


def left(tx: Transaction, vm: VmRow, services: Services, *, memory: bool) -> None:
    """The VM is on no host any more; `memory`: it goes on from there."""
    machine = machine_of(vm)
    machine.memory = memory
    machine.failures, machine.waiting, machine.not_before = 0, None, 0.0
    kept_on = vm.host_id if _moves(tx, services, vm, machine) else 0
    common.end_stay(tx, vm)
    tx.swap(vm, host_id=-1, kept_on=kept_on, body=body_of(machine), cpu_used=-1, memory_used=-1)


def _moves(tx: Transaction, services: Services, vm: VmRow, machine: Machine) -> bool:
    ids = {disk.datastore_id for disk in machine.disks} | {vm.datastore_id}
    return any(services.pool.datastore(tx.get(DatastoreRow, number)).capabilities.moves for number in ids if number > 0)


STOP = Leave(
    "vm.stop",
    (
        Step("forget old memory", _forget_old, None, "save"),
        Step("save memory", _save, _unsave, "save", noted=True),
        *_LEAVE,
    ),
    memory=True,
)
STOP_SUSPENDED = Leave(
    "vm.stop-suspended",
    (
        Step("forget old memory", _forget_old, None, "epilog"),
        Step("save memory", _save, _unsave, "epilog", noted=True),
        *_LEAVE,
    ),
    memory=True,
)
UNDEPLOY = Leave("vm.undeploy", (Step("shut down", _shut_down, None, "shutdown"), *_LEAVE), memory=False)
UNDEPLOY_OFF = Leave("vm.undeploy-off", _LEAVE, memory=False)

"""vm.deploy-stopped, vm.deploy-undeployed: a VM whose disks are kept comes to a host again.

Until the VM has its place, what is kept stays as it is; a guest with its memory waits until then before it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.deploy import ASK, BRING_IMAGES, PLUG, PREPARE_NETWORKS, START, Deploy
from nebula.engine.jobs.operations.stop import home_of
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _former(context: JobContext) -> int:
    """The other host that has the disks; 0 where nothing is to be brought."""
    kept_on = context.vm().kept_on
    return 0 if kept_on == context.job.args["host"] else max(0, kept_on)


def _bring(context: JobContext) -> None:
    former, site = _former(context), common.site(context)
    if not former:
        return
    source, target = context.handle(former), context.handle(context.job.args["host"])
    for driver, disks in site.by_datastore():
        driver.move_vm(
            source, target, site.vm.id, disks, job=context.work_name, progress=context.report, cancel=context.cancel
        )  # fmt: skip


def _unbring(context: JobContext) -> None:
    if _former(context):
        site, target = common.site(context), context.job.args["host"]
        common.end_copies(site, target)
        _remove_copies(site, target)


def _remove_copies(site: common.Site, host_id: int) -> None:
    handle = site.context.handle(host_id)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves:
            driver.remove_vm(handle, site.vm.id, disks, keep_persistent=False)


def _restore(context: JobContext) -> None:
    site, host = common.site(context), context.job.args["host"]
    path = home_of(site).memory_path(context.handle(host), site.vm.id)
    common.make_ready(site, host)
    spec = common.domain_spec(site, host, common.write_context(site, host))
    context.hypervisor(host).restore(spec, path, paused=True)


def _unrestore(context: JobContext) -> None:
    common.remove_domain(context, context.job.args["host"], context.vm().uuid)


def _go_on(context: JobContext) -> None:
    """A memory is old as soon as its guest runs: it is gone before."""
    vm, host = context.vm(), context.job.args["host"]
    home_of(common.site(context)).remove_memory(context.handle(host), vm.id)
    context.hypervisor(host).unpause(vm.uuid)


def _leave(context: JobContext) -> None:
    former = _former(context)
    if former:
        _remove_copies(common.site(context), former)


class DeployKept(Deploy):
    """Ends with nothing kept elsewhere."""

    def __init__(self, kind: str, *boot: Step) -> None:
        self.kind = kind
        self.steps = (
            ASK,
            BRING_IMAGES,
            Step("bring disks", _bring, _unbring, "prolog"),
            PREPARE_NETWORKS,
            *boot,
            Step("leave former host", _leave, None, "boot", final=True),
        )

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Persistent images have their copy on the new host."""
        super().finish(transaction, job, services)
        returned(transaction, transaction.get(VmRow, job.target_id), left=bool(job.facts.get("left")))


def returned(tx: Transaction, vm: VmRow, *, left: bool) -> None:
    """Nothing of the VM is kept elsewhere than on its host; `left`: something could not be taken away there."""
    machine = machine_of(vm)
    machine.memory = False
    if vm.kept_on > 0:
        common.move_persistent(tx, vm, vm.kept_on, vm.host_id)
    if left and vm.kept_on > 0:
        machine.left_on = sorted({*machine.left_on, vm.kept_on})
    tx.swap(vm, kept_on=-1, body=body_of(machine))


DEPLOY_STOPPED = DeployKept(
    "vm.deploy-stopped",
    Step("restore memory", _restore, _unrestore, "boot"),
    PLUG,
    Step("go on", _go_on, None, "boot", final=True),
)
DEPLOY_UNDEPLOYED = DeployKept("vm.deploy-undeployed", START, PLUG)

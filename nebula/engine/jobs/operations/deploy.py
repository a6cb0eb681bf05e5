"""vm.deploy: a VM that waits comes to life on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import HostRow, VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _ask_hosts(context: JobContext) -> None:
    """A VM that an earlier deploy may have left somewhere is looked for there first."""
    site = common.site(context)
    if site.machine.left_on:
        common.runs_elsewhere(context, site.vm, context.job.args["host"], everywhere=False)


def _images(context: JobContext) -> None:
    common.bring_images(common.site(context), context.job.args["host"])


def _drop_images(context: JobContext) -> None:
    common.drop_images(common.site(context), context.job.args["host"])


def _disks(context: JobContext) -> None:
    site = common.site(context)
    common.make_disks(site, context.job.args["host"])


def _remove_disks(context: JobContext) -> None:
    site, host = common.site(context), context.job.args["host"]
    common.end_copies(site, host)
    common.remove_disks(site, host)


def _networks(context: JobContext) -> None:
    common.prepare_networks(common.site(context), context.job.args["host"])


def _release_networks(context: JobContext) -> None:
    common.unplug(common.site(context), context.job.args["host"])


def _boot(context: JobContext) -> None:
    site, host = common.site(context), context.job.args["host"]
    common.start_domain(site, host, common.write_context(site, host))


def _unboot(context: JobContext) -> None:
    common.remove_domain(context, context.job.args["host"], context.vm().uuid)


def _plug(context: JobContext) -> None:
    common.plug(common.site(context), context.job.args["host"])


ASK = Step("ask hosts", _ask_hosts, None, "prolog")
BRING_IMAGES = Step("bring images", _images, _drop_images, "prolog")
PREPARE_NETWORKS = Step("prepare networks", _networks, _release_networks, "prolog")
START = Step("start domain", _boot, _unboot, "boot")
PLUG = Step("plug cards", _plug, None, "boot")


class Deploy:
    """Images, disks, networks, boot, filters."""

    kind = "vm.deploy"
    steps: tuple[Step, ...] = (
        ASK,
        BRING_IMAGES,
        Step("make disks", _disks, _remove_disks, "prolog"),
        PREPARE_NETWORKS,
        START,
        PLUG,
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM, and one of the host's starts."""
        return common.vm_lock(job), common.start_lock(job, settings)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The VM's count of failures starts anew."""
        vm = transaction.known(VmRow, job.target_id)
        if vm.body.get("failures") or vm.body.get("waiting"):
            machine = machine_of(vm)
            machine.failures, machine.waiting, machine.not_before = 0, None, 0.0
            transaction.swap(vm, body=body_of(machine))

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The stay on the host ends; the VM keeps its host only if something may be left there."""
        vm = transaction.get(VmRow, job.target_id)
        common.end_stay(transaction, vm)
        machine = machine_of(vm)
        machine.failures += 1
        if not clean:
            machine.left_on = sorted({*machine.left_on, int(job.args["host"])})
        transaction.swap(vm, body=body_of(machine), host_id=-1 if clean else vm.host_id)


def booked(tx: Transaction, vm: VmRow, host: HostRow, action: str, actor: str, reason: str) -> None:
    """The façade's part of a deploy: from this transaction on the host's capacity is taken."""
    tx.swap(vm, host_id=host.id, cluster_id=host.cluster_id)
    common.begin_stay(tx, vm, host, action, actor, reason)


DEPLOY = Deploy()

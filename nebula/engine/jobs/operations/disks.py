"""vm.disk-attach, vm.disk-detach, vm.cd-change, vm.disk-resize and what they are while the VM is off.

A disk is in the VM's row from the transaction that asks for it, so that everybody sees what it is to become; it leaves the
row when it is out of the guest, or when its attaching was undone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from nebula import typed
from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.plugging import PlugJob
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import ImageRow, VmRow
from nebula.errors import ConflictError, TimedOutError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction

WAY = "whoever uses it in the guest must stop first; or do it while the VM is off: nebula vm poweroff {vm}"


def pull(context: JobContext, what: str, let_go: Callable[[], bool]) -> None:
    """The guest has let go of something; TimedOutError if it does not in time."""
    clock, settings = context.services.clock, context.services.settings
    deadline = clock.monotonic() + settings.guest_unplug
    while not let_go():
        if clock.monotonic() > deadline:
            raise TimedOutError(
                f"the guest did not let go of {what} within {settings.guest_unplug:.0f} s",
                cause="it still uses it, or does not know how to unplug",
                hint=WAY.format(vm=context.job.target_id),
            )
        context.cancel.wait(settings.guest_look)
        context.cancel.raise_if_set()


def _disk(context: JobContext) -> Disk:
    wanted = context.job.args["disk"]
    return next(disk for disk in common.site(context).machine.disks if disk.disk_id == wanted)


def _images(context: JobContext) -> None:
    common.bring_images(common.site(context), context.job.args["host"])


def _drop_images(context: JobContext) -> None:
    common.drop_images(common.site(context), context.job.args["host"])


def _make(context: JobContext) -> None:
    site, disk = common.site(context), _disk(context)
    site.store_of(disk).create_disk(
        context.handle(context.job.args["host"]),
        disk.spec(site.vm.id),
        job=f"{context.work_name}-disk{disk.disk_id}",
        progress=context.report,
        cancel=context.cancel,
    )


def _unmake(context: JobContext) -> None:
    """Only what the guest does not have is taken away."""
    site, disk, host = common.site(context), _disk(context), context.job.args["host"]
    if context.job.kind == "vm.disk-attach" and not context.hypervisor(host).detach_disk(site.vm.uuid, disk.target):
        raise ConflictError(f"the guest has disk {disk.disk_id} and does not let go of it")
    common.end_copies(site, host)
    _remove(context)


def _plug(context: JobContext) -> None:
    site, host = common.site(context), context.job.args["host"]
    spec = common.domain_spec(site, host, common.context_path(site, host))
    context.hypervisor(host).attach_disk(spec, context.job.args["disk"])


def _unplug(context: JobContext) -> None:
    uuid, disk = context.vm().uuid, _disk(context)
    hypervisor = context.hypervisor(context.job.args["host"])
    pull(context, f"disk {disk.disk_id} ({disk.target})", lambda: hypervisor.detach_disk(uuid, disk.target))


def _remove(context: JobContext) -> None:
    site, disk = common.site(context), _disk(context)
    site.store_of(disk).remove_disk(context.handle(context.job.args["host"]), disk.spec(site.vm.id))


def _change_cd(context: JobContext) -> None:
    site, disk, host = common.site(context), _disk(context), context.job.args["host"]
    if not disk.empty and site.store_of(disk).capabilities.activates:
        site.store_of(disk).activate(context.handle(host), disk.spec(site.vm.id))
    _load(context, common.medium(site, disk, host))


def _change_back(context: JobContext) -> None:
    site, disk, host = common.site(context), _disk(context), context.job.args["host"]
    before = typed.convert(context.job.args["before"], list[Disk])
    former = next(item for item in before if item.disk_id == disk.disk_id)
    _load(context, common.medium(site, former, host))


def _load(context: JobContext, path: str) -> None:
    host = context.job.args["host"]
    context.hypervisor(host).load_cd(context.vm().uuid, _disk(context).target, path)


def _grow_running(context: JobContext) -> None:
    site, disk, host, size = common.site(context), _disk(context), context.job.args["host"], int(context.job.args["size"])
    site.store_of(disk).refresh_disk(context.handle(host), disk.spec(site.vm.id), size)
    context.hypervisor(host).resize_disk(context.vm().uuid, disk.target, size)


def _grow(context: JobContext) -> None:
    site, disk = common.site(context), _disk(context)
    handle = context.handle(context.job.args["host"])
    site.store_of(disk).resize_disk(handle, disk.spec(site.vm.id), int(context.job.args["size"]))


class Attach(PlugJob):
    """A disk that could not be attached is dropped; one that could not be taken back stays the VM's."""

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """See the class."""
        super().failed(transaction, job, services, message, clean=clean)
        if clean:
            drop(transaction, job)


class Detach(PlugJob):
    """The disk is no more the VM's."""

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """See the class."""
        drop(transaction, job)


class ChangeCd(PlugJob):
    """The row says what is in the drive; if it could not be put there, what was in it before."""

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """What was in the drive is free."""
        if job.args["former"] > 0:
            common.release_image(transaction, job.args["former"])

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """See the class."""
        super().failed(transaction, job, services, message, clean=clean)
        if job.args["image"] > 0:
            common.release_image(transaction, job.args["image"])
        vm = transaction.get(VmRow, job.target_id)
        transaction.swap(vm, body={**vm.body, "disks": job.args["before"]})


class Grow(PlugJob):
    """The disk's size is known, and an image's that is the disk itself."""

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """See the class."""
        vm = transaction.get(VmRow, job.target_id)
        machine, size = machine_of(vm), int(job.args["size"])
        disk = next(disk for disk in machine.disks if disk.disk_id == job.args["disk"])
        grown = size - size_of(disk)
        disk.size = size
        if disk.kind != "persistent":
            disk.asked = {**machine.said_of_disk(disk), "SIZE": str(size >> 20)}
        if disk.kind == "persistent" and disk.image is not None:
            disk.image = msgspec.structs.replace(disk.image, size=size)
            transaction.swap(transaction.get(ImageRow, disk.image_id), size=size)
        transaction.swap(vm, body=body_of(machine), disk=vm.disk + grown)


def drop(tx: Transaction, job: JobRow) -> None:
    """The job's disk leaves the VM's row, and its image is free."""
    vm = tx.get(VmRow, job.target_id)
    machine = machine_of(vm)
    gone = next(disk for disk in machine.disks if disk.disk_id == job.args["disk"])
    machine.disks.remove(gone)
    machine.boots_without(f"disk{gone.disk_id}")
    if gone.image_id > 0:
        common.release_image(tx, gone.image_id)
    tx.swap(vm, body=body_of(machine), disk=max(0, vm.disk - size_of(gone)))


_BRING = Step("bring image", _images, _drop_images, "attach")
_MAKE = Step("make disk", _make, _unmake, "attach")
ATTACH = Attach("vm.disk-attach", _BRING, _MAKE, Step("plug disk", _plug, _unplug, "attach"))
ATTACH_OFF = Attach("vm.disk-attach-off", _BRING, _MAKE)
DETACH = Detach(
    "vm.disk-detach", Step("unplug disk", _unplug, _plug, "detach"), Step("remove disk", _remove, None, "detach", final=True)
)
DETACH_OFF = Detach("vm.disk-detach-off", Step("remove disk", _remove, None, "detach", final=True))
CHANGE_CD = ChangeCd(
    "vm.cd-change", Step("bring image", _images, _drop_images, "load"), Step("load", _change_cd, _change_back, "load")
)
CHANGE_CD_OFF = ChangeCd("vm.cd-change-off", Step("bring image", _images, _drop_images, "load"))
GROW = Grow("vm.disk-resize", Step("grow disk", _grow_running, None, "resize"))
GROW_OFF = Grow("vm.disk-resize-off", Step("grow disk", _grow, None, "resize"))

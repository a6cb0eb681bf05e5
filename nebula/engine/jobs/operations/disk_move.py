"""vm.disk-move, vm.disk-move-off: a VM's disk comes to another datastore, under the running guest or while it is off.

The VM's row tells of the old place until the job ends. Until the guest was let go on at the new one (the pivot) the old place
counts, from then on the new one: whoever takes the job up asks the domain where its disk is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nebula import typed
from nebula.drivers.base import DiskCopyRequest
from nebula.engine.jobs.base import Lock, Onward, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.image_copies import SHARED_COPY, add_copy
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.machines.migration import travel
from nebula.engine.store.rows import ClusterRow, DatastoreRow, ImageRow, VmRow
from nebula.errors import ConflictError
from nebula.model.domain import DomainState

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle, Hypervisor
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction
    from nebula.model.storage import DiskSpec

_PIVOT, _LEAVE = "go on there", "leave old place"


class _Place:
    """A disk in one datastore."""

    def __init__(self, site: common.Site, host: HostHandle, disk: Disk, store: Datastore) -> None:
        self._site, self._host, self.disk, self.store = site, host, disk, store
        self.spec: DiskSpec = disk.spec(site.vm.id)
        self.path = store.disk_path(host, self.spec)

    def remove(self) -> None:
        """It is here no more, nor is anything else of the VM where nothing else of it should be."""
        image = self.spec.image
        if self.spec.kind == "persistent" and image is not None:
            self.store.remove_image(self._host, image)
            return
        number = self.disk.datastore_id
        others = {disk.datastore_id for disk in self._site.machine.disks if disk.disk_id != self.disk.disk_id}
        if number in {*others, self._site.vm.datastore_id}:
            self.store.remove_disk(self._host, self.spec)
        else:
            self.store.remove_vm(self._host, self.spec.vm_id, [self.spec])


class _Part:
    """The disk of the job as it is and as it is to become."""

    def __init__(self, context: JobContext) -> None:
        self.context, site = context, common.site(context)
        self.uuid, self.host_id = site.vm.uuid, int(context.job.args["host"])
        self.host: HostHandle = context.handle(self.host_id)
        self.hypervisor: Hypervisor = context.hypervisor(self.host_id)
        new = typed.convert(context.job.args["moved"], Disk)
        old = next(one for one in site.machine.disks if one.disk_id == new.disk_id)
        row = context.services.store.read().get(DatastoreRow, new.datastore_id)
        self.old = _Place(site, self.host, old, site.store_of(old))
        self.new = _Place(site, self.host, new, context.services.pool.datastore(row))
        self.scratch = f"move-{context.job.id}"

    @property
    def request(self) -> DiskCopyRequest:
        """What lets the guest go on at the new place."""
        disk = self.new.disk
        read = self.context.services.store.read()
        way = travel(read.get(ClusterRow, self.context.host_row(self.host_id).cluster_id))
        return DiskCopyRequest(
            uuid=self.uuid, target=disk.target, path=self.new.path, format=disk.format, bandwidth_mib=way.bandwidth_mib
        )

    def there(self) -> bool:
        """Whether the domain's disk is at the new place."""
        return self.hypervisor.uses_disk(self.uuid, self.new.disk.target, self.new.path)


def _claim(part: _Part) -> None:
    """Nothing is at the new place: what is there from now on is ours, and goes with the undo."""
    if part.context.facts.get("ours"):
        return
    if part.new.store.has_disk(part.host, part.new.spec):
        raise ConflictError(
            f"there is something at {part.new.path} on host {part.host.name} already",
            cause="both datastores are one place, or something was left there when a disk was moved away",
            hint="nebula datastore show tells where each of them is",
        )
    part.context.save(ours=True)


def _make(context: JobContext) -> None:
    """An empty disk at the new place."""
    part = _Part(context)
    _claim(part)
    store, spec = part.new.store, msgspec.structs.replace(part.new.spec, filesystem="")
    if spec.kind == "persistent" and spec.image is not None:
        store.create_empty(part.host, spec.image)
    store.create_disk(
        part.host, spec, job=f"{context.work_name}-disk", progress=context.report, cancel=context.cancel
    )  # fmt: skip


def _unmake(context: JobContext) -> None:
    part = _Part(context)
    for store in (part.old.store, part.new.store):
        store.abandon(part.host, f"job-{context.job.id}")
    if context.facts.get("ours"):
        part.new.remove()


def _copy(context: JobContext) -> None:
    part = _Part(context)
    old, size = part.old.disk, size_of(part.new.disk)
    if size > size_of(old) and not part.there():  # QEMU copies to what is exactly as large
        part.old.store.refresh_disk(part.host, part.old.spec, size)
        part.hypervisor.resize_disk(part.uuid, old.target, size)
        context.save(grown=size)
    part.hypervisor.copy_disk(part.request, progress=context.report, cancel=context.cancel)


def _pivot(context: JobContext) -> None:
    part = _Part(context)
    part.hypervisor.take_copy(part.request)


def _stay(context: JobContext) -> None:
    """The guest goes on where it was, unless it was let go on at the new place: then there is no way back."""
    part = _Part(context)
    if not part.there():
        part.hypervisor.drop_copy(part.uuid, part.new.disk.target)
    if part.there():
        raise Onward(_PIVOT)


def _leave(context: JobContext) -> None:
    _Part(context).old.remove()


def _prepare(context: JobContext) -> None:
    """Where a file of it may lie for a while is empty."""
    part = _Part(context)
    _claim(part)
    part.new.store.make_scratch(part.host, part.scratch)


def _unprepare(context: JobContext) -> None:
    _unmake(context)
    part = _Part(context)
    part.new.store.remove_scratch(part.host, part.scratch)


def _bring(context: JobContext) -> None:
    """What is seen through the old one comes to a file beside the new one, of which that is made."""
    part = _Part(context)
    if part.new.store.has_disk(part.host, part.new.spec):
        return
    part.old.store.require_unused(part.host, part.old.spec)
    path = f"{part.new.store.scratch_path(part.host, part.scratch)}/disk"
    report, cancel = context.report, context.cancel
    part.old.store.copy_out(part.host, part.old.spec, path, job=f"{context.work_name}-out", progress=report, cancel=cancel)
    part.new.store.fill_disk(part.host, part.new.spec, path, job=f"{context.work_name}-in", progress=report, cancel=cancel)


def _name(context: JobContext) -> None:
    part = _Part(context)
    part.hypervisor.name_disk(part.request)


def _unname(context: JobContext) -> None:
    """Somebody may have started it meanwhile, by its definition: then there is no way back."""
    part = _Part(context)
    found = part.hypervisor.lookup(part.uuid)
    if found is not None and found.state not in {DomainState.SHUTOFF, DomainState.CRASHED}:
        if part.there():
            raise Onward(_LEAVE)
        return
    back = msgspec.structs.replace(part.request, path=part.old.path, format=part.old.disk.format)
    part.hypervisor.name_disk(back)


def _leave_off(context: JobContext) -> None:
    part = _Part(context)
    part.new.store.remove_scratch(part.host, part.scratch)
    part.old.remove()


class Move:
    """Ends with the disk, and with a persistent image, in the other datastore."""

    def __init__(self, kind: str, *steps: Step) -> None:
        self.kind = kind
        self.steps = steps

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM; its image, where it comes along; copies per host."""
        image = (Lock(f"image:{job.args['image']}", 1),) if job.args["image"] else ()
        return common.vm_lock(job), *image, Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """See the class. What backups build on was of the old place."""
        vm = transaction.get(VmRow, job.target_id)
        machine, new = machine_of(vm), typed.convert(job.args["moved"], Disk)
        grown = sum(size_of(new) - size_of(disk) for disk in machine.disks if disk.disk_id == new.disk_id)
        machine.disks = [new if disk.disk_id == new.disk_id else disk for disk in machine.disks]
        if machine.chain is not None:
            machine.chain.broken = f"its disk {new.disk_id} was moved to another datastore since"
        if new.kind == "persistent" and new.image is not None:
            _move_image(transaction, job, new, services)
        transaction.swap(vm, body=body_of(machine), disk=vm.disk + grown)
        transaction.event(
            "vm.disk-moved", "vm", vm.id, actor=job.actor, name=vm.name, disk=new.disk_id, datastore=new.datastore_id
        )  # fmt: skip

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The disk is where it was, as large as it is by now."""
        size = int(job.facts.get("grown", 0))
        if size:
            vm = transaction.get(VmRow, job.target_id)
            machine = machine_of(vm)
            disk = next(one for one in machine.disks if one.disk_id == job.args["moved"]["disk_id"])
            added = size - size_of(disk)
            disk.size = size
            if disk.kind == "persistent" and disk.image is not None:
                disk.image = msgspec.structs.replace(disk.image, size=size)
                transaction.swap(transaction.get(ImageRow, disk.image_id), size=size)
            transaction.swap(vm, body=body_of(machine), disk=vm.disk + added)
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


def _move_image(tx: Transaction, job: JobRow, disk: Disk, services: Services) -> None:
    """The image is the disk itself, and is where that is."""
    image = tx.get(ImageRow, disk.image_id)
    body = {key: value for key, value in image.body.items() if key not in {"lun", "lun_id"}}
    tx.swap(image, datastore_id=disk.datastore_id, format=disk.format, size=size_of(disk), body=body)
    tx.execute('DELETE FROM "image_copy" WHERE "image_id"=?', (image.id,))
    shared = services.pool.datastore(tx.get(DatastoreRow, disk.datastore_id)).capabilities.shared
    add_copy(tx, image.id, SHARED_COPY if shared else int(job.args["host"]))
    tx.event("image.moved", "image", image.id, actor=job.actor, name=image.name, datastore=disk.datastore_id)


MOVE = Move(
    "vm.disk-move",
    Step("make disk", _make, _unmake, "move"),
    Step("copy", _copy, _stay, "move", noted=True),
    Step(_PIVOT, _pivot, _stay, "move"),
    Step(_LEAVE, _leave, None, "move", final=True),
)
MOVE_OFF = Move(
    "vm.disk-move-off",
    Step("prepare", _prepare, _unprepare, "move"),
    Step("copy", _bring, None, "move", noted=True),
    Step("name disk", _name, _unname, "move"),
    Step(_LEAVE, _leave_off, None, "move", final=True),
)

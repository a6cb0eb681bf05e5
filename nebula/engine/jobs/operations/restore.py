"""vm.restore: a VM's disks as a backup has them. backup.restore: images of a backup's disks, for another VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.backups.content import Content, content_of
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.image import mark_failed, mark_ready
from nebula.engine.jobs.operations.image_copies import SHARED_COPY, add_copy
from nebula.engine.jobs.operations.repository import repository, use_lock, work
from nebula.engine.machines.disks import Disk, image_spec
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import BackupRow, DatastoreRow, ImageRow, VmRow

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


class Fetched:
    """A backup's files on a host, in a datastore, for as long as the job needs them."""

    def __init__(self, context: JobContext, backup_id: int, store: Datastore, host_id: int) -> None:
        self.context, self.store, self.host = context, store, context.handle(host_id)
        self.row = context.services.store.read().get(BackupRow, backup_id)
        self.content: Content = content_of(self.row)
        self._name = f"job-{context.job.id}"
        self._repository = repository(context, self.row.datastore_id)

    @property
    def directory(self) -> str:
        """Where they are."""
        return self.store.scratch_path(self.host, self._name)

    def fetch(self) -> None:
        """Each is there and as it was stored."""
        self.store.make_scratch(self.host, self._name)
        self._repository.fetch(
            self.host, self.row.snapshot, self.directory, self.content.files, job=work(self.context),
            progress=self.context.report, cancel=self.context.cancel,
        )  # fmt: skip

    def discard(self) -> None:
        """None is there, and nobody brings one."""
        self._repository.abandon(self.host, work(self.context))
        self.store.remove_scratch(self.host, self._name)

    def top(self, disk_id: int) -> str:
        """The file through which a disk is seen as it was."""
        return f"{self.directory}/{next(disk.top for disk in self.content.disks if disk.disk_id == disk_id)}"


# --- the same VM


def _of_vm(context: JobContext) -> Fetched:
    site = common.site(context)
    return Fetched(context, int(context.job.args["backup"]), site.store_of(_disks(context)[0]), site.vm.host_id)


def _disks(context: JobContext) -> list[Disk]:
    """Those of the VM that are in the backup."""
    return [disk for disk in common.site(context).machine.disks if disk.disk_id in context.job.args["disks"]]


def _fetch(context: JobContext) -> None:
    _of_vm(context).fetch()


def _discard(context: JobContext) -> None:
    _of_vm(context).discard()


def _make(context: JobContext) -> None:
    site, fetched = common.site(context), _of_vm(context)
    for disk in _disks(context):
        site.store_of(disk).restore_disk(
            fetched.host, disk.spec(site.vm.id), fetched.top(disk.disk_id), job=context.work_name, progress=context.report,
            cancel=context.cancel,
        )  # fmt: skip


def _unmake(context: JobContext) -> None:
    site = common.site(context)
    common.end_copies(site, site.vm.host_id)
    for disk in _disks(context):
        site.store_of(disk).discard_restored(context.handle(site.vm.host_id), disk.spec(site.vm.id))


def _replace(context: JobContext) -> None:
    site = common.site(context)
    for disk in _disks(context):
        site.store_of(disk).replace_disk(context.handle(site.vm.host_id), disk.spec(site.vm.id))


class Restore:
    """All disks are made first; then each is put in its place, and there is no way back."""

    kind = "vm.restore"
    steps = (
        Step("fetch", _fetch, _discard, "restore"),
        Step("make disks", _make, _unmake, "restore"),
        Step("replace disks", _replace, None, "restore", final=True),
        Step("clean", _discard, None, "restore", final=True),
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM; the repository; copies per host."""
        copies = Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)
        return common.vm_lock(job), use_lock(job.args["datastore"], settings), copies

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Its disks are as large as they were then."""
        vm, row = transaction.get(VmRow, job.target_id), transaction.get(BackupRow, job.args["backup"])
        machine, sizes = machine_of(vm), {disk.disk_id: disk.size for disk in content_of(row).disks}
        for disk in machine.disks:
            if disk.disk_id in job.args["disks"] and disk.kind != "persistent":
                disk.size = sizes[disk.disk_id]
        if machine.chain is not None:
            machine.chain.broken = "its disks were restored since"
        transaction.swap(vm, body=body_of(machine))
        transaction.event("backup.restored", "backup", row.id, actor=job.actor, name=row.name, vm=vm.id)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The disks are as they were."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


# --- images for another VM


def _images(context: JobContext) -> list[tuple[int, ImageRow, Datastore]]:
    """(disk's id, its image, the image's datastore)."""
    read, pool = context.services.store.read(), context.services.pool
    found = [(item["disk"], read.get(ImageRow, item["image"])) for item in context.job.args["images"]]
    return [(disk, image, pool.datastore(read.get(DatastoreRow, image.datastore_id))) for disk, image in found]


def _for_images(context: JobContext) -> Fetched:
    return Fetched(context, context.job.target_id, _images(context)[0][2], int(context.job.args["host"]))


def _fetch_for_images(context: JobContext) -> None:
    _for_images(context).fetch()


def _discard_for_images(context: JobContext) -> None:
    _for_images(context).discard()


def _fill(context: JobContext) -> None:
    fetched = _for_images(context)
    for disk_id, image, store in _images(context):
        store.fill_image(
            fetched.host, image_spec(image), fetched.top(disk_id), job=context.work_name, progress=context.report,
            cancel=context.cancel,
        )  # fmt: skip


def _unfill(context: JobContext) -> None:
    host = context.handle(int(context.job.args["host"]))
    for _, image, store in _images(context):
        store.abandon(host, f"job-{context.job.id}")
        store.remove_image(host, image_spec(image))


class RestoreImages:
    """The images are LOCKED until they end in READY, or in ERROR; the VM that waits for them goes on."""

    kind = "backup.restore"
    steps = (
        Step("fetch", _fetch_for_images, _discard_for_images),
        Step("make images", _fill, _unfill),
        Step("clean", _discard_for_images, None, final=True),
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The images; the repository; copies per host."""
        images = (Lock(f"image:{item['image']}", 1) for item in job.args["images"])
        copies = Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)
        return *images, use_lock(job.args["datastore"], settings), copies

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """READY, on this host."""
        for item in job.args["images"]:
            image = transaction.get(ImageRow, item["image"])
            datastore = transaction.get(DatastoreRow, image.datastore_id)
            shared = services.pool.datastore(datastore).capabilities.shared
            add_copy(transaction, image.id, SHARED_COPY if shared else job.args["host"])
            mark_ready(transaction, image, job)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR."""
        for item in job.args["images"]:
            mark_failed(transaction, job, message, item["image"])


RESTORE = Restore()
RESTORE_IMAGES = RestoreImages()

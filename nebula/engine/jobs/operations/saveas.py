"""vm.disk-saveas, vm.disk-saveas-off: images of what a VM's disks hold, or held when a snapshot was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.image import mark_failed, mark_ready
from nebula.engine.jobs.operations.image_copies import SHARED_COPY, add_copy
from nebula.engine.machines.disks import image_spec
from nebula.engine.store.rows import DatastoreRow, ImageRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _images(context: JobContext) -> list[tuple[dict[str, int], ImageRow]]:
    read = context.services.store.read()
    return [(save, read.get(ImageRow, save["image"])) for save in context.job.args["saves"]]


def _save(context: JobContext) -> None:
    site = common.site(context)
    for save, image in _images(context):
        disk = next(one for one in site.machine.disks if one.disk_id == save["disk"])
        site.store_of(disk).save_disk(
            context.handle(site.vm.host_id), disk.spec(site.vm.id), save["layer"], image_spec(image),
            job=context.work_name, progress=context.report, cancel=context.cancel,
        )  # fmt: skip


def _unsave(context: JobContext) -> None:
    site = common.site(context)
    handle = context.handle(site.vm.host_id)
    common.end_copies(site, handle.host_id)
    for _, image in _images(context):
        site.datastores[image.datastore_id].remove_image(handle, image_spec(image))


class SaveAs:
    """The images are LOCKED until they end in READY, or in ERROR."""

    steps = (Step("copy", _save, _unsave, "saveas"),)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM; the images, so that nobody removes them; copies per host."""
        copies = Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)
        images = (Lock(f"image:{save['image']}", 1) for save in job.args["saves"])
        return common.vm_lock(job), *images, copies

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """READY, on this host."""
        for save in job.args["saves"]:
            image = transaction.get(ImageRow, save["image"])
            datastore = transaction.get(DatastoreRow, image.datastore_id)
            shared = services.pool.datastore(datastore).capabilities.shared
            add_copy(transaction, image.id, SHARED_COPY if shared else job.args["host"])
            mark_ready(transaction, image, job)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR; the VM is as it was."""
        for save in job.args["saves"]:
            mark_failed(transaction, job, message, save["image"])


SAVE = SaveAs("vm.disk-saveas")
SAVE_OFF = SaveAs("vm.disk-saveas-off")

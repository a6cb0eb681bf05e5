"""image.clone: another image of the same content, on a host that has it, in the same datastore or in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.image import mark_failed, mark_ready, parts, wake_waiting
from nebula.engine.jobs.operations.image_copies import SHARED_COPY, add_copy
from nebula.engine.jobs.operations.luns import transfer
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.machines.disks import image_spec
from nebula.engine.store.rows import DatastoreRow, ImageRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _copy(context: JobContext) -> None:
    image, driver, host = parts(context)
    source = context.services.store.read().get(ImageRow, context.job.args["source"])
    if source.datastore_id != image.datastore_id:
        if not context.facts.get("size"):
            context.save(size=transfer(context, source, image, driver, host).size)
        return
    if driver.has_image(host, image_spec(image)):
        driver.abandon(host, context.work_name)
        return
    driver.clone_image(
        host, image_spec(source), image_spec(image), job=context.work_name, progress=context.report, cancel=context.cancel
    )


def _uncopy(context: JobContext) -> None:
    image, driver, host = parts(context)
    driver.abandon(host, context.work_name)
    driver.remove_image(host, image_spec(image))


class Clone:
    """The copy is LOCKED until it ends in READY, or in ERROR; so is a persistent image that is copied, meanwhile."""

    kind = "image.clone"
    steps = (Step("copy", _copy, _uncopy),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """Both images, so that nobody removes them; copies per host."""
        images = sorted((job.target_id, job.args["source"]))
        locks = (Lock(f"image:{number}", 1) for number in images)
        return *locks, Lock(f"host:{job.args['host']}:copy", settings.copies_per_host)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """READY; VMs that waited for either go on."""
        image = transaction.get(ImageRow, job.target_id)
        datastore = transaction.get(DatastoreRow, image.datastore_id)
        shared = services.pool.datastore(datastore).capabilities.shared
        add_copy(transaction, image.id, SHARED_COPY if shared else job.args["host"])
        mark_ready(transaction, image, job, size=job.facts.get("size", image.size), format=image.format)
        _release_source(transaction, job)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR; the source is as it was."""
        mark_failed(transaction, job, message)
        _release_source(transaction, job)


def _release_source(tx: Transaction, job: JobRow) -> None:
    source = tx.first(ImageRow, '"id"=?', (job.args["source"],))
    if source is None or source.state != ImageState.LOCKED:
        return
    state = ImageState.USED_PERS if source.running_vms else ImageState.READY
    tx.swap(source, state=int(state))
    wake_waiting(tx, source, good=True)


CLONE = Clone()

"""Which hosts have an image's file, and how it comes to one more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.store.rows import ImageCopyRow
from nebula.errors import UnreachableError

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.store.transaction import Transaction
    from nebula.model.storage import ImageSpec

SHARED_COPY = -1
"""host_id of an image copy on storage that all hosts share."""


def bring(context: JobContext, driver: Datastore, image: ImageSpec, name: str, host_id: int) -> None:
    """See that the image is on the host, from another host if need be; `name`: what people call it."""
    if driver.capabilities.shared or _has_copy(context, image, host_id):
        return
    with context.hold(f"image:{image.image_id}:{host_id}"):
        if _has_copy(context, image, host_id):  # another VM's job brought it meanwhile
            return
        target = source = context.handle(host_id)
        if not driver.has_image(target, image):
            source = _reachable_copy(context, image, name)
            context.log(f"copying image {name} from {source.name} to {target.name}")
        driver.copy_image(source, target, image, job=_copy_job(image, host_id), progress=context.report, cancel=context.cancel)
        context.services.store.write(lambda tx: add_copy(tx, image.image_id, host_id))


def drop(context: JobContext, driver: Datastore, image: ImageSpec, host_id: int) -> None:
    """Undo of bring: an image that did not come whole to the host is not left there half, or unknown to us."""
    if driver.capabilities.shared:
        return
    with context.hold(f"image:{image.image_id}:{host_id}"):
        if not _has_copy(context, image, host_id):
            driver.abandon(context.handle(host_id), _copy_job(image, host_id))
            driver.remove_image(context.handle(host_id), image)


def add_copy(tx: Transaction, image_id: int, host_id: int) -> None:
    """Remember that the host has the image."""
    if not tx.count(ImageCopyRow, '"image_id"=? AND "host_id"=?', (image_id, host_id)):
        tx.insert(ImageCopyRow(image_id=image_id, host_id=host_id))


def _copy_job(image: ImageSpec, host_id: int) -> str:
    """The copy's name on the host: whichever job wants the image there finds the one copy that is under way."""
    return f"image-{image.image_id}-{host_id}"


def _has_copy(context: JobContext, image: ImageSpec, host_id: int) -> bool:
    """Whether the host has the image, by our books."""
    return context.services.store.read().count(ImageCopyRow, '"image_id"=? AND "host_id"=?', (image.image_id, host_id)) > 0


def _reachable_copy(context: JobContext, image: ImageSpec, name: str) -> HostHandle:
    """A host that has the image and answers."""
    rows = context.services.store.read().select(ImageCopyRow, '"image_id"=? ORDER BY "host_id"', (image.image_id,))
    for row in rows:
        handle = context.handle(row.host_id)
        try:
            context.hypervisor(row.host_id).domains()
        except UnreachableError as error:
            context.log(f"host {handle.name} has image {name} but does not answer: {error}", "warning")
            continue
        return handle
    raise UnreachableError(
        f"no host that has image {name} answers",
        cause=f"{len(rows)} hosts have a copy",
        hint=f"nebula image show {image.image_id}",
    )

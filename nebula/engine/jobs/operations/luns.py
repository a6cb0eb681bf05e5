"""What jobs do to make a LUN an image, and to bring an image to another datastore."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from nebula.engine.machines.disks import image_spec
from nebula.engine.store.rows import DatastoreRow, ImageRow
from nebula.errors import CapacityError, ConflictError
from nebula.model.storage import DiskSpec, ImageSpec

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.store.transaction import Transaction


def register(context: JobContext, image: ImageRow, driver: Datastore, host: HostHandle) -> ImageSpec:
    """The image's LUN is there and nobody else's; the image as it is."""
    spec = image_spec(image)
    found = driver.probe(host, driver.image_path(host, spec))
    context.services.store.write(partial(_claim, image.id, found.identity))
    return msgspec.structs.replace(spec, size=found.virtual_size, format=found.format)


def _claim(image_id: int, identity: str, tx: Transaction) -> None:
    """No other image is this LUN by whatever way, from now on."""
    other = next((row for row in tx.select(ImageRow, '"id"<>?', (image_id,)) if row.body.get("lun_id") == identity), None)
    image = tx.get(ImageRow, image_id)
    if other is not None:
        raise ConflictError(
            f"LUN {image.body['lun']} is image {other.name} ({other.id}) already, by the name {other.body['lun']}",
            cause=f"both are {identity}",
            hint=f"nebula image show {other.id}",
        )
    tx.swap(image, body={**image.body, "lun_id": identity})


def transfer(context: JobContext, source: ImageRow, image: ImageRow, driver: Datastore, host: HostHandle) -> ImageSpec:
    """The content of an image comes to another datastore, by a file where an upload would lie; the new image as it is."""
    origin = context.services.pool.datastore(context.services.store.read().get(DatastoreRow, source.datastore_id))
    spec, whole = image_spec(image), image_spec(source)
    if driver.capabilities.registers:
        spec = register(context, image, driver, host)
        _require_room(image, spec, whole)
    elif driver.has_image(host, spec):
        driver.abandon(host, context.work_name)
        return spec
    staged = driver.staging_path(host, image_spec(image))
    disk = DiskSpec(vm_id=0, disk_id=0, kind="persistent", format=whole.format, size=whole.size, image=whole)
    job, report, cancel = context.work_name, context.report, context.cancel
    origin.copy_out(host, disk, staged, job=job, progress=report, cancel=cancel)
    driver.take_in(host, spec, staged, job=job, progress=report, cancel=cancel)
    return spec


def _require_room(image: ImageRow, lun: ImageSpec, whole: ImageSpec) -> None:
    if lun.size < whole.size:
        raise CapacityError(
            f"LUN {image.body['lun']} has {lun.size >> 20} MiB, too few for an image of {whole.size >> 20} MiB",
            hint="grow it on the SAN, or choose a larger one",
        )

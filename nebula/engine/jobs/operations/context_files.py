"""Files that a VM's context asks for, as they go on its CD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.context import MAX_ISO, file_references
from nebula.engine.machines.boot_images import image_asked_for
from nebula.engine.machines.disks import image_spec
from nebula.engine.machines.machine import Machine
from nebula.engine.store.rows import DatastoreRow, ImageCopyRow, ImageRow
from nebula.errors import NebulaError, NotFoundError, UnreachableError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext


def context_files(context: JobContext, machine: Machine, host_id: int) -> dict[str, bytes]:
    """Name -> content, from whichever host has them; the one that the VM is on is asked first."""
    return {image.name: _content(context, image, host_id) for image in _images(context, machine)}


def _images(context: JobContext, machine: Machine) -> list[ImageRow]:
    read, asked = context.services.store.read(), file_references(machine.context.get("FILES_DS", ""))
    return [image_asked_for(read, ref, "the context asks for") for ref in asked]


def _content(context: JobContext, image: ImageRow, host_id: int) -> bytes:
    read = context.services.store.read()
    driver = context.services.pool.datastore(read.get(DatastoreRow, image.datastore_id))
    copies = {row.host_id for row in read.select(ImageCopyRow, '"image_id"=?', (image.id,))}
    hosts = [host_id] if driver.capabilities.shared else sorted(copies, key=lambda number: (number != host_id, number))
    failure: NebulaError | None = None
    for number in hosts:
        try:
            return driver.read_image(context.handle(number), image_spec(image), MAX_ISO)
        except UnreachableError as error:
            failure = error
    raise failure or NotFoundError(
        f"no host has image {image.name}, which the context asks for", hint=f"nebula image show {image.id}"
    )

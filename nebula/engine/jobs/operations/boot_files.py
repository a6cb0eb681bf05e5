"""Kernels and RAM disks out of datastores: a VM's host has them as it has the images of its disks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nebula.engine.jobs.operations.image_copies import bring, drop
from nebula.engine.machines.boot_images import image_asked_for
from nebula.engine.machines.disks import image_spec
from nebula.engine.machines.hardware.system import boot_files
from nebula.engine.machines.machine import Machine
from nebula.engine.store.rows import DatastoreRow, ImageRow
from nebula.errors import NotFoundError

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext


def bring_boot_files(context: JobContext, machine: Machine, host_id: int) -> None:
    """See that the host has them; NotFoundError where storage that hosts share has one no more."""
    for _, image, driver in _asked(context, machine):
        if driver.capabilities.shared and not driver.has_image(context.handle(host_id), image_spec(image)):
            raise NotFoundError(f"no host has image {image.name}, which is booted", hint=f"nebula image show {image.id}")
        bring(context, driver, image_spec(image), image.name, host_id)


def drop_boot_files(context: JobContext, machine: Machine, host_id: int) -> None:
    """Undo of bring_boot_files."""
    for _, image, driver in _asked(context, machine):
        drop(context, driver, image_spec(image), host_id)


def boot_paths(context: JobContext, machine: Machine, host_id: int) -> dict[str, str]:
    """File on the host by what it is: kernel, ramdisk."""
    return {
        kind: driver.image_path(context.handle(host_id), image_spec(image)) for kind, image, driver in _asked(context, machine)
    }


def _asked(context: JobContext, machine: Machine) -> Iterator[tuple[str, ImageRow, Datastore]]:
    read = context.services.store.read()
    for kind, ref in boot_files(machine.template).items():
        image = image_asked_for(read, ref, "the VM boots from")
        yield kind, image, context.services.pool.datastore(read.get(DatastoreRow, image.datastore_id))

"""From a disk's or an image's description to the recipe of its file."""

from __future__ import annotations

from nebula.drivers.datastore.layout import image_file, images_dir, layer_name, needed_image
from nebula.drivers.datastore.making import Recipe
from nebula.errors import UsageError
from nebula.model.storage import DiskSpec, Format

_EXT = ("ext2", "ext3", "ext4")


def empty(format_: Format, size: int) -> Recipe:
    """A file that holds nothing yet."""
    if size <= 0:
        raise UsageError(f"a disk of {size} bytes cannot be made", hint="give it a size: --size 10G")
    return Recipe("empty", format_, str(size))


def clone(base: str, disk: DiskSpec) -> Recipe:
    """A writable copy of the disk's image: an overlay for qcow2, the whole content for raw.

    An overlay names its image by a relative path, so that it is right on a host whose datastore lies elsewhere.
    """
    image, size = needed_image(disk), clone_size(disk)
    if disk.format == "qcow2":
        return Recipe("overlay", image.format, backing_image(disk), str(size))
    grown = str(size) if size > image.size else "0"
    if image.format == "raw":
        return Recipe("copy", "raw", image_file(base, image), grown)
    return Recipe("convert", image.format, image_file(base, image), disk.format, grown)


def backing_image(disk: DiskSpec) -> str:
    """The disk's image as an overlay in the VM's directory names it."""
    image = needed_image(disk)
    return f"../../{images_dir('')[1:]}/{image.uuid}.{image.format}"


def layer(disk: DiskSpec, below: int) -> Recipe:
    """A layer that holds nothing yet, on one that a guest may be using: nobody looks into that one."""
    return Recipe("layer", layer_name(disk, below), str(disk.virtual_size))


def clone_size(disk: DiskSpec) -> int:
    """The clone's virtual size in bytes; a disk can be larger than its image, never smaller."""
    image = needed_image(disk)
    if disk.size and disk.size < image.size:
        cause = f"its image {image.image_id} has {image.size} bytes, and a file system cannot be cut"
        raise UsageError(f"disk {disk.disk_id} of VM {disk.vm_id} cannot be made with {disk.size} bytes", cause=cause)
    return disk.size or image.size


def volatile(disk: DiskSpec) -> Recipe:
    """A fresh disk, with a file system in it if one is asked for."""
    made = empty(disk.format, disk.size)
    if not disk.filesystem:
        return made
    if disk.format != "raw":
        raise UsageError(
            f"a file system can be made in raw disks only, disk {disk.disk_id} is {disk.format}", hint="FORMAT = raw"
        )
    check_filesystem(disk)
    if disk.filesystem == "swap":
        return Recipe("swap", str(disk.size))
    return Recipe("filesystem", disk.filesystem, str(disk.size))


def check_filesystem(disk: DiskSpec) -> None:
    """UsageError for a file system that is not made here."""
    if disk.filesystem == "swap" or disk.filesystem in _EXT:
        return
    known = ", ".join(["swap", *_EXT])
    raise UsageError(f"disk {disk.disk_id} asks for the file system {disk.filesystem!r}", hint=f"use one of: {known}")


def incoming(disk: DiskSpec) -> Recipe:
    """An empty disk of the same shape, for a live migration to fill."""
    if disk.below >= 0:
        return layer(disk, disk.below)
    if disk.kind == "clone" and disk.format == "qcow2":
        return clone("", disk)
    if disk.kind == "clone":
        return empty(disk.format, clone_size(disk))
    if disk.kind == "persistent":
        image = needed_image(disk)
        return empty(image.format, disk.size or image.size)
    return empty(disk.format, disk.size)

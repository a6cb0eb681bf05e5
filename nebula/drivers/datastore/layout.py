"""Where a datastore's files lie under its path on a host.

`images/<uuid>.<format>` are images, `images/<uuid>.<format>.staged` uploads that nobody looked at yet, `vms/<vm_id>/disk.<n>`
(and, of a disk with snapshots, its further layers `vms/<vm_id>/disk.<n>.<layer>`),
`vms/<vm_id>/context.iso` and `vms/<vm_id>/nvram.fd` what belongs to one VM, `scratch/<name>/` what is needed for a while.
While a file is made it is called `<file>.part`.
"""

from __future__ import annotations

import re

from nebula.errors import UsageError
from nebula.model.storage import DiskSpec, ImageSpec

_SAFE_PATH = re.compile(r"(/[A-Za-z0-9_@+=,-][A-Za-z0-9._@+=,-]*)+")
_SAFE_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def checked_path(path: str) -> str:
    """The absolute path, if every tool on the way (rsync's remote shell, libvirt's labels) takes it as it is."""
    if not _SAFE_PATH.fullmatch(path) or len(path) > 512:
        cause = "a datastore's path is absolute and made of letters, digits and . _ @ + = , -"
        raise UsageError(f"{path!r} cannot be a datastore's path", cause=cause, hint="choose one like /srv/nebula-shared")
    return path


def images_dir(base: str) -> str:
    """The directory of the images."""
    return f"{base}/images"


def vms_dir(base: str) -> str:
    """The directory of all VMs' directories."""
    return f"{base}/vms"


def image_file(base: str, image: ImageSpec) -> str:
    """The image's file."""
    if not _SAFE_UUID.fullmatch(image.uuid):
        raise UsageError(f"image {image.image_id} has the unusable uuid {image.uuid!r}")
    return f"{images_dir(base)}/{image.uuid}.{image.format}"


def staged_file(base: str, image: ImageSpec) -> str:
    """Where the image's upload waits to be probed."""
    return f"{image_file(base, image)}.staged"


def vm_dir(base: str, vm_id: int) -> str:
    """The VM's directory."""
    return f"{vms_dir(base)}/{vm_id:d}"


def context_file(base: str, vm_id: int) -> str:
    """The VM's context CD."""
    return f"{vm_dir(base, vm_id)}/context.iso"


def nvram_file(base: str, vm_id: int) -> str:
    """The VM's UEFI variables, which libvirt makes there."""
    return f"{vm_dir(base, vm_id)}/nvram.fd"


def memory_file(base: str, vm_id: int) -> str:
    """The memory of the VM while it is stopped."""
    return f"{vm_dir(base, vm_id)}/memory.save"


def scratch_dir(base: str, name: str) -> str:
    """A directory for files that are needed for a while."""
    if not _SAFE_UUID.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a directory")
    return f"{base}/scratch/{name}"


def restored_file(base: str, disk: DiskSpec) -> str:
    """What is to be put in the place of a disk."""
    return f"{disk_file(base, disk)}.restored"


def needed_image(disk: DiskSpec) -> ImageSpec:
    """The image that a clone, persistent or cdrom disk is made from."""
    if disk.image is None:
        raise UsageError(f"disk {disk.disk_id} of VM {disk.vm_id} is a {disk.kind} of no image")
    return disk.image


def disk_file(base: str, disk: DiskSpec) -> str:
    """The disk's file: the image's own for persistent and cdrom, else one in the VM's directory."""
    if disk.kind in ("persistent", "cdrom"):
        return image_file(base, needed_image(disk))
    return layer_file(base, disk, disk.layer)


def layer_file(base: str, disk: DiskSpec, layer: int) -> str:
    """One of the files of a disk with snapshots."""
    return f"{vm_dir(base, disk.vm_id)}/{layer_name(disk, layer)}"


def layer_name(disk: DiskSpec, layer: int) -> str:
    """Its name within the VM's directory, by which the layers above refer to it."""
    return f"disk.{disk.disk_id:d}.{layer:d}" if layer else f"disk.{disk.disk_id:d}"

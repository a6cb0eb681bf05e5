"""Images, disks and space, as the datastore drivers are told of them."""

from __future__ import annotations

from typing import Literal

import msgspec

Format = Literal["qcow2", "raw"]
BOOTED = frozenset({"kernel", "ramdisk"})
"""Types of images that a VM is booted from without a disk."""
FILES = BOOTED | {"context"}
"""Types of images that are files and no disks: they stay as they come."""


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An image as a driver knows it. `uuid` names its file; `size` is the virtual size in bytes."""

    image_id: int
    uuid: str
    format: Format
    size: int
    type: Literal["os", "datablock", "cdrom", "context", "kernel", "ramdisk"] = "os"
    persistent: bool = False
    source: str = ""
    """What it is on a storage where nothing is made: the name of a LUN."""


class DiskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A VM's disk as a driver makes it. `kind`: clone (own writable copy of an image), persistent (the image itself),
    cdrom (the image, read-only), volatile (fresh, empty). `size` in bytes: for a clone 0 means the image's.
    """

    vm_id: int
    disk_id: int
    kind: Literal["clone", "persistent", "cdrom", "volatile"]
    format: Format = "qcow2"
    size: int = 0
    image: ImageSpec | None = None
    filesystem: str = ""
    """For volatile disks: swap, ext4 …; empty: nothing inside."""
    layer: int = 0
    """The file that the guest writes to: 0 is the disk as it was made, others came with snapshots."""
    below: int = -1
    """The layer on which that one lies; -1: what the disk is made of."""
    frozen: tuple[int, ...] = ()
    """The layers that are snapshots: nobody writes to them."""

    @property
    def virtual_size(self) -> int:
        """Bytes that the guest sees."""
        return self.size or (self.image.size if self.image else 0)


class ImageProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What qemu-img, asked with a fixed format, found in a file, or of what size a LUN is. Sizes in bytes."""

    format: Format
    virtual_size: int
    actual_size: int
    identity: str = ""
    """Of a LUN: what it is called by whatever way it is reached."""


class DatastoreUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Space under a datastore's path on one host, bytes."""

    total: int
    used: int
    free: int
    promised: int = 0
    """What disks may take in the end; 0: not told."""
    data_percent: float = -1.0
    metadata_percent: float = -1.0
    """How full a thin pool is; -1: there is none."""

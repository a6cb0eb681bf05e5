"""What datastores have in common whose disks are no files: each is a block device, raw and whole, with no layers of files.

The rest of a VM (context CD, memory, UEFI variables) lies in files on its host, as an `ssh` datastore has them, and so do
uploads before they are taken in.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore import layout, making
from nebula.drivers.datastore.header import HEAD_BYTES, examine
from nebula.drivers.datastore.ssh import SshDatastore
from nebula.errors import UsageError
from nebula.model.storage import DiskSpec, ImageSpec

_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_HALVES = ("", ".part", ".restored", ".restored.part")
"""What a disk's name may end in while it is made, and while another is made that is to take its place."""


class BlockDatastore(SshDatastore):
    """Subclasses say what the devices are, and who sees them."""

    def reading(self, host: HostHandle, disk: DiskSpec) -> making.Recipe:
        """See FileDatastore.reading."""
        return making.Recipe("convert", "raw", self.opened(host, disk), "qcow2", "0")

    def opened(self, host: HostHandle, disk: DiskSpec) -> str:
        """The disk as qemu-img opens it on the host, which can do so when this returns."""
        return self.disk_path(host, disk)

    def format_of(self, host: HostHandle, staged: str) -> str:
        """What the beginning of a staged file says that it is."""
        head = host.transport.run(["head", "-c", str(HEAD_BYTES), "--", staged], root=True).stdout
        return examine(head, staged)

    # --- layers: there are none

    def no_layers(self, disk: DiskSpec) -> UsageError:
        """Why a layer cannot be had."""
        return UsageError(f"disk {disk.disk_id} of VM {disk.vm_id} is a block device: it has no layers")

    def layer_path(self, host: HostHandle, disk: DiskSpec, layer: int) -> str:
        """See Datastore.layer_path."""
        if layer != disk.layer:
            raise self.no_layers(disk)
        return self.disk_path(host, disk)

    def add_layer(self, host: HostHandle, disk: DiskSpec, layer: int, below: int) -> None:
        """UsageError: see capabilities."""
        del host, layer, below
        raise self.no_layers(disk)

    def rebase_layer(
        self,
        host: HostHandle,
        disk: DiskSpec,
        layer: int,
        below: int,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, layer, below, job, progress, cancel
        raise self.no_layers(disk)

    def remove_layers(self, host: HostHandle, disk: DiskSpec, layers: Sequence[int]) -> None:
        """Nothing: there are none."""

    def copy_layers(
        self,
        source: HostHandle,
        target: HostHandle,
        disks: Sequence[DiskSpec],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Nothing to copy: there are none."""


class PoolDatastore(BlockDatastore):
    """Devices that we make, each by its name, in a pool: an image is `nebula-UUID`, a VM's own copy of it
    `nebula-UUID-VM-DISK`, an empty disk `nebula-DATASTORE-VM-DISK`.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        own = rf"nebula-(?:{datastore_id}|[0-9a-f]{{8}}-[0-9a-f-]{{27}})-([0-9]+)-[0-9]+(?:\.part|\.restored)*"
        self._disk = re.compile(own)

    # --- what subclasses say

    @abstractmethod
    def names(self, host: HostHandle) -> list[str]:
        """All that is in the pool."""

    @abstractmethod
    def drop(self, host: HostHandle, names: Sequence[str]) -> None:
        """Delete what is called so. Not there: nothing."""

    @abstractmethod
    def put_restored(self, host: HostHandle, name: str) -> None:
        """`name.restored` takes the place of `name`, at once. Done already: nothing."""

    # --- names

    def disk_name(self, disk: DiskSpec) -> str:
        """What the disk is called: as its image, where it is the image itself."""
        if disk.kind in ("persistent", "cdrom"):
            return image_name(layout.needed_image(disk))
        made_of = image_name(disk.image) if disk.image is not None else f"nebula-{self.datastore_id:d}"
        return f"{made_of}-{disk.vm_id:d}-{disk.disk_id:d}"

    def all_names(self, disks: Sequence[DiskSpec]) -> list[str]:
        """What disks may be called, whole or half made."""
        return [f"{self.disk_name(disk)}{half}" for disk in disks for half in _HALVES]

    def vm_ids(self, host: HostHandle) -> list[int]:
        """See Datastore.vm_ids: those that have disks in the pool, too."""
        matches = map(self._disk.fullmatch, self.names(host))
        return sorted({int(match[1]) for match in matches if match} | set(super().vm_ids(host)))

    def forget_vm(self, host: HostHandle, vm_id: int) -> None:
        """See Datastore.forget_vm: what is called after it in the pool, too."""
        super().forget_vm(host, vm_id)
        own = [name for name in self.names(host) if (match := self._disk.fullmatch(name)) and int(match[1]) == vm_id]
        if own:
            self.drop(host, own)

    # --- backups

    def replace_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.replace_disk."""
        self.put_restored(host, self.disk_name(disk))

    def discard_restored(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.discard_restored."""
        self.drop(host, [f"{self.disk_name(disk)}.restored", f"{self.disk_name(disk)}.restored.part"])


def image_name(image: ImageSpec) -> str:
    """What an image of a pool is called."""
    if not _UUID.fullmatch(image.uuid):
        raise UsageError(f"image {image.image_id} has the unusable uuid {image.uuid!r}")
    return f"nebula-{image.uuid}"

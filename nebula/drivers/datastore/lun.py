"""Images that are LUNs of a SAN: they exist already, each is registered by its name and becomes one VM's disk as it is.

Nothing is made, cloned or deleted on the SAN; what cannot be done is refused in words. The rest of a VM (context CD, memory,
UEFI variables) lies in files on its host, as an `ssh` datastore has them, and so do uploads that are written into a LUN.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NoReturn

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore import layout, making
from nebula.drivers.datastore.blocks import BlockDatastore
from nebula.drivers.datastore.files import job_key
from nebula.drivers.datastore.lunscript import FILL
from nebula.drivers.datastore.probe import probe_image
from nebula.drivers.datastore.rbd import tell_percent
from nebula.drivers.longrun import run_long
from nebula.errors import CapacityError, CommandError, ConflictError, NebulaError, NotFoundError, UsageError
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

_MIB = 1 << 20


class Lun(msgspec.Struct, frozen=True):
    """What a host sees of a LUN: bytes, and what it is called by whatever way it is reached."""

    size: int
    identity: str


class LunDatastore(BlockDatastore):
    """Subclasses say how a host reaches a LUN, and what it is called."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        self._prepared: set[int] = set()

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(
            shared=True,
            local_home=True,
            formats=("raw",),
            linked_clones=False,
            live_copy=False,
            exclusive=False,
            known_there=True,
            registers=True,
        )

    # --- what subclasses say

    @abstractmethod
    def canonical_source(self, source: str) -> str:
        """See Datastore.canonical_source."""

    @abstractmethod
    def path_of(self, source: str) -> str:
        """What stands where other storage has a path."""

    @abstractmethod
    def make_ready(self, host: HostHandle) -> None:
        """The host can reach LUNs."""

    @abstractmethod
    def options(self, host: HostHandle, source: str) -> tuple[str, str]:
        """The LUN as qemu-img opens it, and the file with the password of that ("" for none)."""

    @abstractmethod
    def look(self, host: HostHandle, source: str) -> Lun:
        """What the host sees of it now; NotFoundError where there is none, other errors where it cannot be asked."""

    @abstractmethod
    def rescan(self, host: HostHandle, source: str) -> None:
        """The host looks again how large it is."""

    @abstractmethod
    def users(self, host: HostHandle, source: str) -> list[str]:
        """Who on this host has it open, in words."""

    def prepare(self, host: HostHandle) -> None:
        """The host can reach LUNs: once for each of these objects."""
        if host.host_id not in self._prepared:
            self.make_ready(host)
            self._prepared.add(host.host_id)

    def forget(self, host: HostHandle) -> None:
        """The host is made ready anew, should it be needed again."""
        self._prepared.discard(host.host_id)

    # --- images

    def usage(self, host: HostHandle) -> DatastoreUsage:  # noqa: ARG002 - a SAN tells a host of LUNs alone
        """Nothing: what the LUNs have is written down with the images."""
        return DatastoreUsage(total=0, used=0, free=0)

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:  # noqa: ARG002 - the same on every host
        """See Datastore.image_path."""
        return self.path_of(self._source(image))

    def _source(self, image: ImageSpec) -> str:
        if not image.source:
            raise UsageError(f"image {image.image_id} names no LUN", hint="nebula image create NAME --source LUN")
        return self.canonical_source(image.source)

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        try:
            self.seen(host, image)
        except NotFoundError:
            return False
        return True

    def seen(self, host: HostHandle, image: ImageSpec) -> Lun:
        """What the host sees of the image's LUN; NotFoundError says which one is missing where."""
        self.prepare(host)
        return self.look(host, self._source(image))

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe. A LUN is raw, whatever a guest wrote at its beginning."""
        source = self.source_at(path)
        if not source:
            return probe_image(host, path, claimed)
        self.prepare(host)
        self.rescan(host, source)
        lun = self.look(host, source)
        return ImageProbe(format="raw", virtual_size=lun.size, actual_size=lun.size, identity=lun.identity)

    @abstractmethod
    def source_at(self, path: str) -> str:
        """The LUN's name that `path_of` made the path of; "": it is a file."""

    def take_in(
        self,
        host: HostHandle,
        image: ImageSpec,
        staged: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.take_in: it is written into the image's LUN, from its beginning on; what the LUN has beyond stays.
        CapacityError where it is too small, ConflictError where somebody has it open.
        """
        lun, source = self.seen(host, image), self._source(image)
        form = self.format_of(host, staged)
        needed = probe_image(host, staged, form).virtual_size
        if needed > lun.size:
            raise CapacityError(
                f"LUN {source} has {lun.size / _MIB:g} MiB, too few for an image of {needed / _MIB:g} MiB",
                hint="grow it on the SAN, or choose a larger one",
            )
        self._require_free(host, source, f"image {image.image_id} cannot be written")
        options, secret = self.options(host, source)
        argv = ["sh", "-c", FILL, "nebula-lun", options, secret, form, staged]
        reader = partial(tell_percent, needed, progress) if progress else None
        key = job_key(job, f"take-{image.image_id}")
        run_long(host.transport, making.work_directory(host), key, argv, progress_reader=reader, cancel=cancel)
        making.discard(host, [staged])

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image. The LUN stays as it is, with all that is in it."""
        staged = layout.staged_file(self.base(host), image)
        making.discard(host, [staged, f"{staged}.part", f"{staged}.lock"])

    def copy_image(
        self,
        source: HostHandle,
        target: HostHandle,
        image: ImageSpec,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Nothing to copy; NotFoundError if `target` does not see the LUN."""
        del source, job, progress, cancel
        self.seen(target, image)

    def reading(self, host: HostHandle, disk: DiskSpec) -> making.Recipe:
        """See FileDatastore.reading."""
        self.prepare(host)
        return making.Recipe("export", *self.options(host, self._source(layout.needed_image(disk))))

    # --- disks

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """See Datastore.disk_path."""
        return self.image_path(host, layout.needed_image(disk))

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk: the LUN is there, as large as it was when it was registered, or larger."""
        del job, progress
        (cancel or CancelToken()).raise_if_set()
        if disk.kind != "persistent":
            refuse(f"a disk of the kind {disk.kind} is made")
        self._require_whole(host, disk)

    def _require_whole(self, host: HostHandle, disk: DiskSpec) -> None:
        image = layout.needed_image(disk)
        lun = self.seen(host, image)
        if lun.size < disk.virtual_size:
            raise ConflictError(
                f"LUN {self._source(image)} became smaller: host {host.name} sees {lun.size / _MIB:g} MiB of it",
                cause=f"disk {disk.disk_id} of VM {disk.vm_id} has {disk.virtual_size / _MIB:g} MiB",
                hint="whatever lay beyond is gone; look on the SAN whether it is the right LUN",
            )

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """See Datastore.has_disk."""
        return self.has_image(host, layout.needed_image(disk))

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """Nothing: the LUN stays."""

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.resize_disk: it follows what was done on the SAN."""
        self.refresh_disk(host, disk, size)

    def refresh_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.refresh_disk."""
        self.prepare(host)
        source = self._source(layout.needed_image(disk))
        self.rescan(host, source)
        have = self.look(host, source).size
        if have // _MIB == size // _MIB:
            return
        smaller = have < size
        raise ConflictError(
            f"LUN {source} has {have // _MIB} MiB, and a disk is as large as its LUN",
            cause=f"{size // _MIB} MiB were asked for",
            hint=f"{'grow it on the SAN first' if smaller else 'take all of it'}: nebula vm disk-resize {disk.vm_id} "
            f"{disk.disk_id} {(size if smaller else have) // _MIB}M",
        )

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.require_unused: a LUN has no locks, so each host is asked for its domains and mounts. A host that does
        not see the LUN has none.
        """
        source = self._source(layout.needed_image(disk))
        self._require_free(host, source, f"disk {disk.disk_id} of VM {disk.vm_id} is in use, and would have two writers")

    def _require_free(self, host: HostHandle, source: str, message: str) -> None:
        users = self.users(host, source)
        if users:
            cause = f"LUN {source} is in use on host {host.name}: {', '.join(users)}"
            raise ConflictError(message, cause=cause, hint=f"ssh {host.name} virsh domblklist DOMAIN; ssh {host.name} lsblk")

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming: the target sees the LUNs as large as the guest does."""
        for disk in disks:
            self.prepare(target)
            self.rescan(target, self._source(layout.needed_image(disk)))
            self._require_whole(target, disk)
        if context is not None and disks:
            self.write_context(target, disks[0].vm_id, context)

    def move_vm(
        self,
        source: HostHandle,
        target: HostHandle,
        vm_id: int,
        disks: Sequence[DiskSpec],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.move_vm: what is in files goes to the target."""
        for disk in disks:
            self._require_whole(target, disk)
        super().move_vm(source, target, vm_id, (), job=job, progress=progress, cancel=cancel)

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm: LUNs stay."""
        del disks, keep_persistent
        super().remove_vm(host, vm_id, ())

    # --- what there is not

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """UsageError: see capabilities."""
        del host, image
        refuse("an image is made")

    def clone_image(
        self,
        host: HostHandle,
        source: ImageSpec,
        image: ImageSpec,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, source, image, job, progress, cancel
        refuse("a LUN is cloned")

    def save_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        layer: int,
        image: ImageSpec,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, disk, layer, image, job, progress, cancel
        refuse("a disk becomes a further image")

    def fill_image(
        self,
        host: HostHandle,
        image: ImageSpec,
        path: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, image, path, job, progress, cancel
        refuse("an image is made of a backup")

    def fill_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, disk, path, job, progress, cancel
        refuse("a disk comes from another datastore")

    def restore_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """UsageError: see capabilities."""
        del host, disk, path, job, progress, cancel
        refuse("a disk is restored")

    def no_layers(self, disk: DiskSpec) -> UsageError:
        """See BlockDatastore.no_layers."""
        return refusal(f"disk {disk.disk_id} of VM {disk.vm_id} has snapshots")


def refuse(what: str) -> NoReturn:
    """UsageError: a datastore of LUNs makes nothing."""
    raise refusal(what)


def refusal(what: str) -> UsageError:
    """Why that is nowhere done."""
    return UsageError(f"nowhere in a datastore of LUNs {what}", cause="its images are LUNs that exist on the SAN")


def in_words(host: HostHandle, source: str, error: CommandError) -> NebulaError:
    """A script's failure that no one has better words for."""
    told = CommandError(error.host, error.argv, error.status, error.stderr, hint="nebula datastore check")
    told.message = f"host {host.name} cannot use LUN {source}"
    return told

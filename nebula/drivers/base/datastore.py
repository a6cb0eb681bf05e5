"""The contract of drivers of datastores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base.host import HostHandle, Progress
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, Format, ImageProbe, ImageSpec


class DatastoreCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a datastore driver can do, and how it sees its hosts."""

    shared: bool
    """All hosts see the same files: a live migration copies no disk."""
    local_home: bool = False
    """Only the disks are shared: what else belongs to a VM (context CD, memory, UEFI variables) lies on its host."""
    formats: tuple[Format, ...]
    """The first is what becomes of others that are taken in."""
    linked_clones: bool
    live_copy: bool
    """Disks can be copied to another host while the VM runs."""
    snapshots: bool = False
    """qcow2 disks can have snapshots, each a layer of files."""
    inner_snapshots: bool = False
    """Disks keep their snapshots within themselves, the guest goes on in the same device: the driver is `KeepsSnapshots`."""
    backups: bool = False
    """Disks can be copied to files for a backup, and put in the place of one another."""

    exclusive: bool = True
    """QEMU itself refuses a disk that somebody else writes to; where not, `require_unused` is asked before a start."""
    known_there: bool = False
    """A host knows its own users of a disk alone: `require_unused` is asked on every host."""
    plain_files: bool = False
    """An image is a file on each host that has it, which QEMU opens by its path like any other."""
    registers: bool = False
    """Images are LUNs that exist already: they are registered by their name, each is one VM's disk, and nothing else is made,
    cloned or deleted.
    """
    activates: bool = False
    """A host can open a disk only after `activate`, which is asked before each start."""
    unit: int = 1
    """Bytes: the size of an image, and of a disk, is a multiple of it."""
    turns: str = ""
    """What all hosts write to, and may not write to at once; a driver that names it has `take_turns`."""
    attached: bool = False
    """Something of the host's leads to it, which we make and take away: the driver is `Attached`."""

    gives_keys: bool = False
    """Hosts are given keys of it, which we take away again: the driver is `Detachable`."""

    @property
    def moves(self) -> bool:
        """Whether anything goes along when a VM comes to another host."""
        return self.local_home or not self.shared


class TakesTurns(Protocol):
    """A driver whose `turns` is not empty."""

    def take_turns(self, turn: Callable[[], AbstractContextManager[Any]]) -> None:
        """What to hold while a host writes to what `turns` names; for moments only."""
        ...


class KeepsSnapshots(Protocol):
    """A driver whose disks have `inner_snapshots`. Each is named by a number, depends on no other one, and may be gone back to
    whatever came after it.
    """

    def take_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """Keep what the disk holds now, whoever writes to it. There already: nothing."""
        ...

    def go_back(
        self,
        host: HostHandle,
        disk: DiskSpec,
        number: int,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Let a disk that nobody uses hold what it held then; ConflictError if somebody has it open. It may be ended in the
        middle and done again: only then the disk holds one or the other.
        """
        ...

    def remove_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """Keep it no more; who uses the disk does not notice. Not there: nothing."""
        ...


class Detachable(Protocol):
    """A driver whose datastore is `attached`, or that `gives_keys`."""

    def detach(self, host: HostHandle) -> None:
        """Take away what was made on the host to reach the datastore, which nothing there uses. Nothing made: nothing."""
        ...


class Attached(Detachable, Protocol):
    """A driver whose datastore is `attached`."""

    def attach(self, host: HostHandle) -> None:
        """The host reaches the datastore; UnreachableError where its server does not answer. So already: nothing."""
        ...


class Datastore(Protocol):
    """One datastore. Every method names the host on which it acts."""

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle) -> list[Finding]:
        """Whether the host can use the datastore: path, rights, tools, space."""
        ...

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """Space as this host sees it."""
        ...

    def staging_path(self, host: HostHandle, image: ImageSpec) -> str:
        """Where an upload of this image is put before it is probed."""
        ...

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """Look at an untrusted file: size and format, under limits of time and memory; ImageError if it lies about its
        format, refers to other files (backing, data file), is encrypted, or is not an image.
        """
        ...

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
        """Make the staged, probed file the image's file; the staged file is gone after it."""
        ...

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """An empty image of the given size (datablock)."""
        ...

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """Whether the image's file is whole and reachable from this host."""
        ...

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
        """Bring the image to `target`, host to host, holes kept. There already: nothing. `job` names the work
        (job id and step) for the host-side lock of the long command.
        """
        ...

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
        """Make another image of the same content and format on this host, holes kept. There already: nothing. NotFoundError
        where the source is not. `job`: see `copy_image`.
        """
        ...

    def abandon(self, host: HostHandle, job: str) -> None:
        """End what a dead engine's long command may still do on this host, and forget it. `job`: the name that was given
        with the work, or what it begins with up to a `-`. Nothing under way: nothing. Half made files stay.
        """
        ...

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """Delete the image's file on this host, with all that is half made of it. Not there: nothing."""
        ...

    def read_image(self, host: HostHandle, image: ImageSpec, limit: int) -> bytes:
        """A small image's file as it is; CommandError if it is larger than `limit` bytes, NotFoundError if not there."""
        ...

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:
        """The image's file as the host sees it."""
        ...

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """The disk's file as the host sees it."""
        ...

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """Make the disk (for persistent and cdrom: see that the image is there). There and whole already: nothing."""
        ...

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """Whether the disk is whole and reachable from this host."""
        ...

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """Delete a disk of the VM's own; images stay. Not there: nothing."""
        ...

    def activate(self, host: HostHandle, disk: DiskSpec) -> None:
        """A disk that is whole can be opened on this host and, unless it is a CD, on no other; ConflictError where another
        host has it, NotFoundError where it is gone. So already, or nothing to do: nothing.
        """
        ...

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """Let the disk, which nobody uses now, grow to `size` bytes. As large already: nothing."""
        ...

    def canonical_source(self, source: str) -> str:
        """The name of a LUN as it is kept, where images are registered; UsageError for what is none."""
        ...

    def refresh_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """Before the disk of a running guest grows: the host sees how large it is on a storage where it does not grow by us,
        ConflictError where that is not `size`; a device has grown to `size`. Elsewhere: nothing.
        """
        ...

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """ConflictError if anybody, on whatever host, has the disk open to write to it; where QEMU sees to that: nothing."""
        ...

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """Put the VM's context CD beside its disks; returns its path. Mode 0600 (0640 where QEMU needs its group)."""
        ...

    def context_path(self, host: HostHandle, vm_id: int) -> str:
        """Where the VM's context CD is."""
        ...

    def memory_path(self, host: HostHandle, vm_id: int) -> str:
        """Where the memory of a stopped VM is kept beside its disks; its directory is there when this returns."""
        ...

    def remove_memory(self, host: HostHandle, vm_id: int) -> None:
        """Delete the memory of a VM that was stopped once. Not there: nothing."""
        ...

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """Before a live migration with block copy: empty disks of the same size and backing file at the target."""
        ...

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
        """Bring a VM that is off to `target`, host to host: disks, context, memory; the source keeps its files. Images must
        have been brought before. Shared storage: nothing.
        """
        ...

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """Delete the VM's directory on this host; a persistent disk's image stays unless `keep_persistent` is False
        (the VM moved to another host and this host's copy is the stale one). Not there: nothing.
        """
        ...

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
        """Make an image of what is seen through a layer to which nobody writes now, alone and in the image's format. There
        already: nothing.
        """
        ...

    def layer_path(self, host: HostHandle, disk: DiskSpec, layer: int) -> str:
        """A layer's file as the host sees it."""
        ...

    def add_layer(self, host: HostHandle, disk: DiskSpec, layer: int, below: int) -> None:
        """A further, empty layer of the disk on the layer `below`, which may be in use. There already: nothing."""
        ...

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
        """Let a layer that nobody uses lie on a lower one (-1: on what the disk is made of), with all that it had of those
        between: what is seen through it stays the same, whenever this ends. So already: nothing.
        """
        ...

    def remove_layers(self, host: HostHandle, disk: DiskSpec, layers: Sequence[int]) -> None:
        """Delete layers on which nothing lies any more. Not there: nothing."""
        ...

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
        """Before a live migration with block copy: the disks' snapshots are at the target. Shared storage: nothing."""
        ...

    def scratch_path(self, host: HostHandle, name: str) -> str:
        """A directory for files that are needed for a while, in which QEMU may open them. It need not be there."""
        ...

    def make_scratch(self, host: HostHandle, name: str) -> None:
        """That directory is there, with nothing in it."""
        ...

    def remove_scratch(self, host: HostHandle, name: str) -> None:
        """Delete it with all that is in it. Not there: nothing."""
        ...

    def copy_out(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Make a qcow2 file, on nothing, of a disk that nobody uses now. There already: nothing."""
        ...

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
        """Make an image, in its format, of what is seen through a qcow2 file of ours. There already: nothing."""
        ...

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
        """Make a disk that lies on nothing, or a persistent disk's image, of what is seen through a qcow2 file of ours, which
        may be gone after it. There already: nothing.
        """
        ...

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
        """Make, beside a disk without snapshots, the file that `replace_disk` puts in its place, of what is seen through a
        qcow2 file of ours; it lies on what the disk lies on. There already: nothing.
        """
        ...

    def replace_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """Put the file that `restore_disk` made in the place of a disk that nobody uses now, at once. Done already: nothing."""
        ...

    def discard_restored(self, host: HostHandle, disk: DiskSpec) -> None:
        """Delete the file that `restore_disk` made, or half made. Not there: nothing."""
        ...

    def vm_ids(self, host: HostHandle) -> list[int]:
        """VMs that have a directory or disks here, for the search for leaks."""
        ...

    def forget_vm(self, host: HostHandle, vm_id: int) -> None:
        """Delete all that this host sees of a VM that is gone, by its number alone; images stay. Not there: nothing."""
        ...

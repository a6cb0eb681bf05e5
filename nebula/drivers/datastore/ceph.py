"""Images and disks as block devices of a Ceph pool (RBD), which every host reaches by itself through librbd.

An image is `nebula-UUID`, a VM's own copy of it the clone `nebula-UUID-VM-DISK` of the image's protected snapshot `base`, an
empty disk `nebula-DATASTORE-VM-DISK`. Where the datastore flattens, that copy is whole, and lies on nothing. The rest of a VM
(context CD, memory, UEFI variables) lies in files on its host, as an `ssh` datastore has them, and so do uploads before they
are taken in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.drivers.datastore.blocks import PoolDatastore, image_name
from nebula.drivers.datastore.cephcheck import check_ceph
from nebula.drivers.datastore.cephcluster import Waits, cluster_of
from nebula.drivers.datastore.files import job_key
from nebula.drivers.datastore.probe import probe_image
from nebula.drivers.datastore.rbd import Rbd
from nebula.drivers.datastore.rbdscript import ABSENT
from nebula.errors import CommandError, ConflictError, NotFoundError, UsageError
from nebula.model.host import Finding
from nebula.model.rbd import is_rbd, parse
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec


class CephDatastore(PoolDatastore):
    """`settings` are those of `cephcluster.cluster_of`, with OpenNebula's names."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str], waits: Waits | None = None) -> None:
        super().__init__(datastore_id, settings)
        self._rbd = Rbd(cluster_of(datastore_id, settings, waits))

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(
            shared=True,
            local_home=True,
            formats=("raw",),
            linked_clones=not self._rbd.cluster.flatten,
            live_copy=False,
            inner_snapshots=True,
            backups=True,
            exclusive=False,
            gives_keys=True,
        )

    def detach(self, host: HostHandle) -> None:
        """See Detachable.detach."""
        self._rbd.leave(host)

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check: a small image is made, written, cloned, read and removed."""
        return check_ceph(host, self._rbd)

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """See Datastore.usage."""
        return self._rbd.usage(host)

    # --- images ---

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:  # noqa: ARG002 - the same on every host
        """See Datastore.image_path."""
        return self._rbd.cluster.source(image_name(image)).text

    def read_image(self, host: HostHandle, image: ImageSpec, limit: int) -> bytes:
        """See Datastore.read_image."""
        try:
            data = self._rbd.run(host, "read", image_name(image), str(limit + 1))
        except CommandError as error:
            raise self._absent(host, image, error) from error
        if len(data) > limit:
            raise CommandError(host.name, ["rbd", "export", image_name(image)], 1, f"it is larger than {limit} bytes")
        return data

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe. What is in the pool was taken in by us: it is raw, whatever a guest wrote at its beginning."""
        if not is_rbd(path):
            return probe_image(host, path, claimed)
        name = parse(path).image
        size = int(self._rbd.run(host, "size", name))
        return ImageProbe(format="raw", virtual_size=size, actual_size=0)

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
        """See Datastore.take_in: a qcow2 file becomes a raw image."""
        key = job_key(job, f"take-{image.image_id}")
        if image.type == "context":
            self._rbd.run(host, "bytes", image_name(image), staged)
        elif not self.has_image(host, image):
            words = (image_name(image), str(image.size), self.format_of(host, staged), staged)
            self._rbd.run_long(host, "file", *words, key=key, total=image.size, progress=progress, cancel=cancel)
        else:
            self.abandon(host, job)
        making.discard(host, [staged])

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.create_empty."""
        self._rbd.run(host, "empty", image_name(image), str(_sized(image.size)))

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        return self._rbd.there(host, image_name(image))

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
        """Nothing to copy; NotFoundError if `target` does not see the image."""
        del source, job, progress, cancel
        if not self.has_image(target, image):
            raise self._missing(target, image)

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
        """See Datastore.clone_image: a whole copy, which lies on nothing."""
        try:
            key = job_key(job, f"clone-{image.image_id}")
            self._copy(host, image_name(image), image_name(source), source.size, key, progress, cancel)
        except CommandError as error:
            raise self._absent(host, source, error) from error

    def _copy(
        self,
        host: HostHandle,
        target: str,
        source: str,
        size: int,
        key: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        words = (target, source, str(size))
        self._rbd.run_long(host, "copy", *words, key=key, total=size, progress=progress, cancel=cancel)

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        name, staged = image_name(image), layout.staged_file(self.base(host), image)
        making.discard(host, [staged, f"{staged}.part", f"{staged}.lock", f"{staged}.part.source"])
        self.drop(host, [name, f"{name}.part"])

    # --- disks ---

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:  # noqa: ARG002 - the same on every host
        """See Datastore.disk_path."""
        return self._rbd.cluster.source(self.disk_name(disk)).text

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk."""
        (cancel or CancelToken()).raise_if_set()
        try:
            if disk.kind == "clone":
                self._clone(host, disk, job, progress, cancel)
            elif disk.kind == "persistent":
                self._rbd.run(host, "own", self.disk_name(disk))
            elif disk.kind == "cdrom":
                self.require_image(host, disk)
            else:
                self._volatile(host, disk, job, progress, cancel)
        except CommandError as error:
            raise self._absent(host, disk.image, error) if disk.image else error from error

    def _clone(self, host: HostHandle, disk: DiskSpec, job: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        image, size = layout.needed_image(disk), recipes.clone_size(disk)
        words = (self.disk_name(disk), image_name(image), str(size) if size > image.size else "0")
        if not self._rbd.cluster.flatten:
            self._rbd.run(host, "clone", *words, "linked")
            return
        key = job_key(job, f"disk-{disk.vm_id}-{disk.disk_id}")
        self._rbd.run_long(host, "clone", *words, "whole", key=key, total=size, progress=progress, cancel=cancel)

    def _volatile(
        self, host: HostHandle, disk: DiskSpec, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        name, size = self.disk_name(disk), str(_sized(disk.size))
        if not disk.filesystem:
            self._rbd.run(host, "empty", name, size)
            return
        recipes.check_filesystem(disk)
        making.make_directory(host, self.base(host))
        words, key = (name, size, self.base(host), disk.filesystem), job_key(job, f"disk-{disk.vm_id}-{disk.disk_id}")
        self._rbd.run_long(host, "filesystem", *words, key=key, total=disk.size, progress=progress, cancel=cancel)

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """See Datastore.has_disk."""
        return self._rbd.there(host, self.disk_name(disk))

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.remove_disk."""
        if disk.kind not in ("persistent", "cdrom"):
            self.drop(host, self.all_names([disk]))

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.resize_disk."""
        self._rbd.run(host, "grow", self.disk_name(disk), str(size))

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.require_unused. librbd hands an image's exclusive lock on to whoever asks for it, as a live migration
        needs it; so two that write would take turns, and who is there must be asked. One that was killed is waited for.
        """
        users = self._rbd.run(host, "users", self.disk_name(disk)).decode().split()
        if users:
            raise ConflictError(
                f"disk {disk.disk_id} of VM {disk.vm_id} is in use, and would have two writers",
                cause=f"Ceph image {self._rbd.cluster.pool}/{self.disk_name(disk)} is open at {', '.join(users)}",
                hint=f"ssh {host.name} rbd status {self._rbd.cluster.pool}/{self.disk_name(disk)}",
            )

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming: the disks are there already, the key and the context CD are not."""
        self._rbd.prepare(target)
        for disk in disks:
            if not self._rbd.there(target, self.disk_name(disk)):
                raise NotFoundError(
                    f"host {target.name} does not see disk {disk.disk_id} of VM {disk.vm_id}",
                    cause=f"Ceph has no image {self._rbd.cluster.pool}/{self.disk_name(disk)}",
                )
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
        del disks
        self._rbd.prepare(target)
        super().move_vm(source, target, vm_id, (), job=job, progress=progress, cancel=cancel)

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm. With `keep_persistent=False` (the VM moved) the new host uses these very images."""
        super().remove_vm(host, vm_id, ())
        own = [disk for disk in disks if disk.kind not in ("persistent", "cdrom")]
        if keep_persistent and own:
            self.drop(host, self.all_names(own))

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
        """See Datastore.save_disk; the number of a snapshot is as good as a layer."""
        source = self.disk_name(disk) if layer == disk.layer else f"{self.disk_name(disk)}@{_snapshot(layer)}"
        self._copy(host, image_name(image), source, image.size, job_key(job, f"save-{image.image_id}"), progress, cancel)

    # --- snapshots

    def take_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """See KeepsSnapshots.take_snapshot."""
        self._rbd.run(host, "snap", self.disk_name(disk), _snapshot(number))

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
        """See KeepsSnapshots.go_back."""
        key, size = job_key(job, f"back-{disk.vm_id}-{disk.disk_id}-{number}"), disk.virtual_size
        words = (self.disk_name(disk), _snapshot(number))
        self._rbd.run_long(host, "back", *words, key=key, total=size, progress=progress, cancel=cancel)

    def remove_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """See KeepsSnapshots.remove_snapshot."""
        self._rbd.run(host, "unsnap", self.disk_name(disk), _snapshot(number))

    # --- backups

    def opened(self, host: HostHandle, disk: DiskSpec) -> str:
        """See BlockDatastore.opened."""
        self._rbd.prepare(host)
        return self._rbd.qemu_name(host, self.disk_name(disk))

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
        """See Datastore.fill_image."""
        words, key = (image_name(image), str(image.size), "qcow2", path), job_key(job, f"fill-{image.image_id}")
        self._rbd.run_long(host, "fill", *words, key=key, total=image.size, progress=progress, cancel=cancel)

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
        """See Datastore.fill_disk."""
        size, key = disk.virtual_size, job_key(job, f"fill-{disk.vm_id}-{disk.disk_id}")
        words = (self.disk_name(disk), str(size), "qcow2", path)
        self._rbd.run_long(host, "fill", *words, key=key, total=size, progress=progress, cancel=cancel)

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
        """See Datastore.restore_disk; what is restored lies on nothing."""
        size = disk.virtual_size
        words = (f"{self.disk_name(disk)}.restored", str(size), "qcow2", path)
        key = job_key(job, f"restore-{disk.vm_id}-{disk.disk_id}")
        self._rbd.run_long(host, "fill", *words, key=key, total=size, progress=progress, cancel=cancel)

    # --- what is in the pool

    def names(self, host: HostHandle) -> list[str]:
        """See PoolDatastore.names."""
        return self._rbd.run(host, "list").decode().split()

    def drop(self, host: HostHandle, names: Sequence[str]) -> None:
        """See PoolDatastore.drop."""
        self._rbd.run(host, "drop", *names)

    def put_restored(self, host: HostHandle, name: str) -> None:
        """See PoolDatastore.put_restored."""
        self._rbd.run(host, "replace", name)

    def _missing(self, host: HostHandle, image: ImageSpec) -> NotFoundError:
        cause = f"Ceph has no image {self._rbd.cluster.pool}/{image_name(image)}"
        hint = f"nebula image show {image.image_id}"
        return NotFoundError(f"host {host.name} does not find image {image.image_id}", cause=cause, hint=hint)

    def _absent(self, host: HostHandle, image: ImageSpec, error: CommandError) -> NotFoundError | CommandError:
        return self._missing(host, image) if error.status == ABSENT else error


def _snapshot(number: int) -> str:
    return f"nebula-{number:d}"


def _sized(size: int) -> int:
    if size <= 0:
        raise UsageError(f"a disk of {size} bytes cannot be made", hint="give it a size: --size 10G")
    return size

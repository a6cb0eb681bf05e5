"""Images and disks as logical volumes of a volume group, each host's own or one that all see on a LUN.

An image is `nebula-UUID`, a VM's own copy of it `nebula-UUID-VM-DISK`: a snapshot of the image's thin volume where there is
a thin pool, a whole copy elsewhere. An empty disk is `nebula-DATASTORE-VM-DISK`. The rest of a VM (context CD, memory, UEFI
variables) lies in files on its host, as an `ssh` datastore has them, and so do uploads before they are taken in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.drivers.datastore.blocks import PoolDatastore, image_name
from nebula.drivers.datastore.files import job_key
from nebula.drivers.datastore.lvmcheck import check_lvm
from nebula.drivers.datastore.lvmgroup import Turn, VolumeGroup
from nebula.drivers.datastore.lvmscript import ABSENT
from nebula.drivers.datastore.lvmsettings import sectors, settings_of
from nebula.drivers.datastore.making import work_directory
from nebula.drivers.datastore.peers import login, peer_argv
from nebula.drivers.datastore.probe import probe_image
from nebula.drivers.longrun import is_known
from nebula.errors import (
    CommandError,
    ConflictError,
    InterruptedByUser,
    NebulaError,
    NotFoundError,
    UnreachableError,
)
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

EXTENT = 4 << 20
"""What LVM makes volumes of, unless a group was made with other extents."""


class LvmDatastore(PoolDatastore):
    """`settings` are those of `lvmsettings.settings_of`."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        self._lvm = settings_of(datastore_id, settings)
        self.group = VolumeGroup(self._lvm)

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        shared = self._lvm.shared
        return DatastoreCapabilities(
            shared=shared,
            local_home=shared,
            formats=("raw",),
            linked_clones=bool(self._lvm.pool),
            live_copy=not shared,
            backups=True,
            exclusive=False,
            activates=True,
            unit=EXTENT,
            turns=f"lvm:{self._lvm.group}" if shared else "",
        )

    def take_turns(self, turn: Turn) -> None:
        """See TakesTurns."""
        self.group.turn = turn

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check: a small volume is made, written, read and removed."""
        return check_lvm(host, self.group)

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """See Datastore.usage."""
        return self.group.usage(host)

    # --- images

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:  # noqa: ARG002 - the same on every host
        """See Datastore.image_path."""
        return self.group.path(image_name(image))

    def read_image(self, host: HostHandle, image: ImageSpec, limit: int) -> bytes:
        """See Datastore.read_image."""
        try:
            data = self.group.look(host, "read", image_name(image), str(limit + 1))
        except CommandError as error:
            raise self._absent(host, image, error) from error
        if len(data) > limit:
            raise CommandError(host.name, ["head", self.image_path(host, image)], 1, f"it is larger than {limit} bytes")
        return data

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe. A volume was made by us: it is raw, whatever a guest wrote at its beginning."""
        group, _, name = path.rpartition("/")
        if f"{group}/" != self.group.path(""):
            return probe_image(host, path, claimed)
        size = int(self.group.look(host, "size", name))
        return ImageProbe(format="raw", virtual_size=size, actual_size=size)

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
        """See Datastore.take_in: a qcow2 file becomes a raw volume."""
        name = image_name(image)
        if image.type == "context":
            if self._begin(host, name, image.size):
                self.group.write(host, "bytes", name, staged)
                self._end(host, name, keep=False)
        elif self.has_image(host, image):
            self.abandon(host, job)
        else:
            words = (self.format_of(host, staged), staged)
            self._make(host, name, image.size, "file", words, job_key(job, f"take-{image.image_id}"), progress, cancel)
        making.discard(host, [staged])

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.create_empty."""
        self._make(host, image_name(image), image.size, "empty", (), f"empty-{image.uuid}", None, None)

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        return self._there(host, image_name(image))

    def _there(self, host: HostHandle, name: str) -> bool:
        return self.group.look(host, "there", name).strip() == b"yes"

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
        """See Datastore.copy_image. On a shared group nothing is copied: NotFoundError if `target` does not see it."""
        if self.has_image(target, image):
            self.abandon(target, job)
            return
        if self._lvm.shared or source.host_id == target.host_id:
            raise self._missing(target, image)
        if image.type == "context":
            self._copy_file(source, target, image, job)
            return
        key, look = job_key(job, f"image-{image.image_id}"), "idle" if image.persistent else "source"
        self._pull(source, target, image_name(image), key, progress, cancel, look)

    def _copy_file(self, source: HostHandle, target: HostHandle, image: ImageSpec, job: str) -> None:
        """A file is shorter than its volume; so that its length comes along, it is taken in anew."""
        content = self.read_image(source, image, int(self.group.look(source, "size", image_name(image))))
        staged = self.staging_path(target, image)
        target.transport.write_file(staged, content, root=True)
        self.take_in(target, image, staged, job=job, progress=None, cancel=None)

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
        if not self.has_image(host, source):
            raise self._missing(host, source)
        key, words = job_key(job, f"clone-{image.image_id}"), (image_name(source),)
        self._make(host, image_name(image), source.size, "copy", words, key, progress, cancel)

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        name, staged = image_name(image), layout.staged_file(self.base(host), image)
        making.discard(host, [staged, f"{staged}.part", f"{staged}.part.source"])
        self.drop(host, [name, f"{name}.part"])

    # --- how volumes are made and removed

    def _make(
        self,
        host: HostHandle,
        name: str,
        size: int,
        verb: str,
        words: tuple[str, ...],
        key: str,
        progress: Progress | None,
        cancel: CancelToken | None,
        *,
        keep: bool = False,
    ) -> None:
        """Make a volume whole or not at all; of one that was cancelled or found no room nothing stays. `keep`: it stays active
        on this host, as a disk does.
        """
        (cancel or CancelToken()).raise_if_set()
        if not self._begin(host, name, size):
            return
        try:
            self.group.run_long(host, verb, name, *words, key=key, total=size, progress=progress, cancel=cancel)
        except InterruptedByUser as stopped:
            if not stopped.message.startswith(ENGINE_STOPPING):
                self.drop(host, [f"{name}.part"])
            raise
        except UnreachableError:
            raise
        except NebulaError:
            self._half_made(host, name)
            raise
        self._end(host, name, keep=keep)

    def _half_made(self, host: HostHandle, name: str) -> None:
        try:
            self.group.write(host, "drop", f"{name}.part")
        except NebulaError:
            return  # it goes with the undo

    def _begin(self, host: HostHandle, name: str, size: int) -> bool:
        """Whether it is still to be made: its beginning is there then."""
        return self.group.write(host, "begin", name, sectors(size)).strip() != b"whole"

    def _end(self, host: HostHandle, name: str, *, keep: bool) -> None:
        self.group.write(host, "end", name, "keep" if keep or not self._lvm.shared else "close")

    def _pull(
        self,
        source: HostHandle,
        target: HostHandle,
        name: str,
        key: str,
        progress: Progress | None,
        cancel: CancelToken | None,
        look: str = "idle",
    ) -> None:
        """Bring a volume of another host's own group. `idle`: nobody may have it open, but this very copy, if it was begun
        already; `source`: others may read it, too.
        """
        size = int(self.group.look(source, "source" if is_known(target.transport, work_directory(target), key) else look, name))
        words = (
            str(size),
            self.group.path(name),
            "sudo" if source.user != "root" else "",
            *peer_argv(source, target),
            login(source),
        )
        self._make(target, name, size, "pull", words, key, progress, cancel, keep=True)

    # --- disks

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:  # noqa: ARG002 - the same on every host
        """See Datastore.disk_path."""
        return self.group.path(self.disk_name(disk))

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk. It is active on this host then, and on a shared group on no other."""
        (cancel or CancelToken()).raise_if_set()
        key = job_key(job, f"disk-{disk.vm_id}-{disk.disk_id}")
        if disk.kind == "clone":
            self._clone(host, disk, key, progress, cancel)
        elif disk.kind == "volatile":
            self._volatile(host, disk, key, progress, cancel)
        else:
            self.activate(host, disk)

    def _clone(self, host: HostHandle, disk: DiskSpec, key: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        image, size = layout.needed_image(disk), recipes.clone_size(disk)
        if not self.has_image(host, image):
            raise self._missing(host, image)
        if self._lvm.pool:
            self.group.write(host, "snapshot", self.disk_name(disk), image_name(image), sectors(size))
            return
        self._make(host, self.disk_name(disk), size, "copy", (image_name(image),), key, progress, cancel, keep=True)

    def _volatile(
        self, host: HostHandle, disk: DiskSpec, key: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        if disk.filesystem:
            recipes.check_filesystem(disk)
        verb, words = ("filesystem", (disk.filesystem,)) if disk.filesystem else ("empty", ())
        self._make(host, self.disk_name(disk), disk.size, verb, words, key, progress, cancel, keep=True)

    def activate(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.activate."""
        verb = "open" if disk.kind == "cdrom" else "claim"
        write = self.group.look if disk.kind == "cdrom" else self.group.write
        try:
            write(host, verb, self.disk_name(disk))
        except CommandError as error:
            raise self._absent(host, disk.image, error, disk) from error

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """See Datastore.has_disk."""
        return self._there(host, self.disk_name(disk))

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.remove_disk."""
        if disk.kind in ("persistent", "cdrom"):
            self._let_go(host, [disk])
        else:
            self.drop(host, self.all_names([disk]))

    def _let_go(self, host: HostHandle, disks: Sequence[DiskSpec]) -> None:
        """What stays is active on this host no more, where others may want it."""
        if not self._lvm.shared:
            return
        held = [self.disk_name(disk) for disk in disks if disk.kind != "cdrom"]
        read = [self.disk_name(disk) for disk in disks if disk.kind == "cdrom"]
        if held:
            self.group.write(host, "leave", *held)
        if read:
            self.group.look(host, "close", *read)

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.resize_disk."""
        self.group.write(host, "grow", self.disk_name(disk), sectors(size))

    def refresh_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.refresh_disk: the volume grows, and the guest sees it once its hypervisor is told."""
        self.resize_disk(host, disk, size)

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.require_unused: QEMU's locks are on a device's node, of which each QEMU may have its own."""
        report = self.group.report(host)
        volume = report.volume(self.disk_name(disk))
        if volume is not None and volume.open:
            raise ConflictError(
                f"disk {disk.disk_id} of VM {disk.vm_id} is in use, and would have two writers",
                cause=f"volume {report.name}/{volume.name} is open on host {host.name}",
                hint=f"ssh {host.name} lsof {self.group.path(volume.name)}; ssh {host.name} virsh list --all",
            )

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming. Disks on a shared group are active on both hosts until the migration has ended."""
        for disk in disks:
            if disk.kind == "cdrom":
                self.activate(target, disk)
            elif self._lvm.shared:
                self._join(target, disk)
            else:
                self.group.write(target, "incoming", self.disk_name(disk), sectors(disk.virtual_size))
        if context is not None and disks:
            self.write_context(target, disks[0].vm_id, context)

    def _join(self, target: HostHandle, disk: DiskSpec) -> None:
        try:
            self.group.write(target, "join", self.disk_name(disk))
        except CommandError as error:
            raise self._absent(target, disk.image, error, disk) from error

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
        """See Datastore.move_vm."""
        if source.host_id == target.host_id:
            return
        super().move_vm(source, target, vm_id, (), job=job, progress=progress, cancel=cancel)
        if self._lvm.shared:
            self._let_go(source, disks)
        for disk in disks:
            if not self._lvm.shared and disk.kind != "cdrom":
                key = job_key(job, f"move-{vm_id}-{disk.disk_id}")
                self._refresh(source, target, self.disk_name(disk), key, progress, cancel)
            self.activate(target, disk)

    def _refresh(
        self, source: HostHandle, target: HostHandle, name: str, key: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """Bring a volume; one that the target has already is never believed."""
        self.group.write(target, "stale", name)
        self._pull(source, target, name, key, progress, cancel)

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm. With `keep_persistent=False` on a shared group the new host uses these very volumes."""
        super().remove_vm(host, vm_id, ())
        own = [disk for disk in disks if disk.kind not in ("persistent", "cdrom")]
        kept = [disk for disk in disks if disk not in own]
        if self._lvm.shared and not keep_persistent:
            self._let_go(host, disks)
            return
        self._let_go(host, kept)
        gone = self.all_names(own)
        if not keep_persistent:
            gone += [self.disk_name(disk) for disk in kept if disk.kind == "persistent"]
        if gone:
            self.drop(host, gone)

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
        """See Datastore.save_disk."""
        if layer != disk.layer:
            raise self.no_layers(disk)
        key, words = job_key(job, f"save-{image.image_id}"), (self.disk_name(disk),)
        self._make(host, image_name(image), image.size, "copy", words, key, progress, cancel)

    # --- backups

    def opened(self, host: HostHandle, disk: DiskSpec) -> str:
        """See BlockDatastore.opened."""
        self.activate(host, disk)
        return self.disk_path(host, disk)

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
        """See Datastore.copy_out."""
        super().copy_out(host, disk, path, job=job, progress=progress, cancel=cancel)
        if disk.kind == "persistent":  # an image that no VM has, or one's that is off: whoever starts next takes it
            self._let_go(host, [disk])

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
        words, key = ("qcow2", path), job_key(job, f"fill-{image.image_id}")
        self._make(host, image_name(image), image.size, "file", words, key, progress, cancel)

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
        """See Datastore.fill_disk. It is active on this host then, and on a shared group on no other."""
        size, key = disk.virtual_size, job_key(job, f"fill-{disk.vm_id}-{disk.disk_id}")
        self._make(host, self.disk_name(disk), size, "file", ("qcow2", path), key, progress, cancel, keep=True)

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
        size, key = disk.virtual_size, job_key(job, f"restore-{disk.vm_id}-{disk.disk_id}")
        self._make(
            host, f"{self.disk_name(disk)}.restored", size, "file", ("qcow2", path), key, progress, cancel, keep=True
        )  # fmt: skip

    # --- what is in the group

    def names(self, host: HostHandle) -> list[str]:
        """See PoolDatastore.names."""
        return [volume.name for volume in self.group.report(host).volumes]

    def drop(self, host: HostHandle, names: Sequence[str]) -> None:
        """See PoolDatastore.drop."""
        if self._lvm.zero_old:
            for name in names:
                key = f"wipe-{name}"
                self.group.run_long(host, "wipe", name, key=key, total=0, progress=None, cancel=None)
        self.group.write(host, "drop", *names)

    def put_restored(self, host: HostHandle, name: str) -> None:
        """See PoolDatastore.put_restored."""
        self.group.write(host, "replace", name)

    def _missing(self, host: HostHandle, image: ImageSpec) -> NotFoundError:
        cause = f"there is no volume {self._lvm.group}/{image_name(image)}"
        hint = f"nebula image show {image.image_id}"
        return NotFoundError(f"image {image.image_id} is not on host {host.name}", cause=cause, hint=hint)

    def _absent(
        self, host: HostHandle, image: ImageSpec | None, error: CommandError, disk: DiskSpec | None = None
    ) -> NotFoundError | CommandError:
        if error.status != ABSENT:
            return error
        if image is not None and (disk is None or disk.kind in ("persistent", "cdrom")):
            return self._missing(host, image)
        what = f"disk {disk.disk_id} of VM {disk.vm_id}" if disk else "the volume"
        return NotFoundError(
            f"host {host.name} does not find {what}", cause=error.cause, hint=f"ssh {host.name} lvs --nohints {self._lvm.group}"
        )

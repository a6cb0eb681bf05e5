"""What both datastores of files have in common: everything that happens on one host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore import layers as layering
from nebula.drivers.datastore import layout, making, recipes, restoring
from nebula.drivers.datastore.checks import check_host
from nebula.drivers.datastore.probe import probe_image
from nebula.drivers.longrun import end_all
from nebula.errors import CommandError, NotFoundError, UsageError
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

_RESIZE = r"""
have=$(qemu-img info -f "$1" --output=json "$2" | sed -n 's/^    "virtual-size": *\([0-9]*\),*$/\1/p' | head -n 1)
[ "$have" -ge "$3" ] || qemu-img resize -q -f "$1" "$2" "$3"
"""
_LIST = '[ ! -d "$1" ] || find "$1" -mindepth 1 -maxdepth 1 -type d -printf "%f\\n"'


class FileDatastore:
    """Images and disks as files under one path of a host. Subclasses say which path, and who sees it.

    Directories are 0711 and files 0600 of root: a stock libvirt gives a domain's files to QEMU's user when it starts
    (`dynamic_ownership`, the whole backing chain), which needs no more than passage through the directories. Images and
    CDs stay QEMU's afterwards. The names (`disk.0`, `.qcow2`, `.raw`, `.iso`) are ones that AppArmor's virt-aa-helper may read.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        self.datastore_id = datastore_id
        self.settings = dict(settings)

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(
            shared=False, formats=("qcow2", "raw"), linked_clones=True, live_copy=True, snapshots=True, backups=True,
            plain_files=True,
        )  # fmt: skip

    def base(self, host: HostHandle) -> str:
        """The datastore's directory on this host."""
        return layout.checked_path(f"{host.root}/datastores/{self.datastore_id:d}")

    def ready(self, host: HostHandle) -> HostHandle:
        """The host as what touches files there is to use it."""
        return host

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check."""
        return check_host(host, self.base(host), peers=not self.capabilities.shared)

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """See Datastore.usage."""
        host = self.ready(host)
        base = self.base(host)
        making.make_directory(host, base)
        told = host.transport.run(["stat", "-f", "-c", "%S %b %f %a", "--", base], root=True).text
        unit, blocks, unused, free = (int(word) for word in told.split())
        return DatastoreUsage(total=unit * blocks, used=unit * (blocks - unused), free=unit * free)

    # --- images ---

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.image_path."""
        return layout.image_file(self.base(host), image)

    def read_image(self, host: HostHandle, image: ImageSpec, limit: int) -> bytes:
        """See Datastore.read_image."""
        host = self.ready(host)
        return host.transport.read_file(self.image_path(host, image), limit=limit, root=True)

    def staging_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.staging_path; its directory is there when this returns."""
        host = self.ready(host)
        making.make_directory(host, layout.images_dir(self.base(host)))
        return layout.staged_file(self.base(host), image)

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe."""
        host = self.ready(host)
        return probe_image(host, path, claimed)

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
        """See Datastore.take_in."""
        host = self.ready(host)
        path = self.image_path(host, image)
        key = job_key(job, f"take-{image.image_id}")
        making.make_long(
            host, path, making.Recipe("adopt", staged), key=key, total=image.size, progress=progress, cancel=cancel
        )
        making.discard(host, [staged])

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.create_empty."""
        host = self.ready(host)
        making.make_now(host, self.image_path(host, image), recipes.empty(image.format, image.size))

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
        """See Datastore.clone_image."""
        host = self.ready(host)
        path, origin = self.image_path(host, image), self.image_path(host, source)
        key = job_key(job, f"clone-{image.image_id}")
        recipe = making.Recipe("copy", image.format, origin, "0")
        try:
            making.make_long(host, path, recipe, key=key, total=source.size, progress=progress, cancel=cancel)
        except CommandError:
            if not self.has_image(host, source):
                hint = f"nebula image show {source.image_id}"
                raise NotFoundError(f"image {source.image_id} is not on host {host.name}", cause=origin, hint=hint) from None
            raise

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        host = self.ready(host)
        return making.exists(host, self.image_path(host, image))

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        host = self.ready(host)
        path, staged = self.image_path(host, image), layout.staged_file(self.base(host), image)
        halves = [f"{path}.part", f"{path}.lock", f"{staged}.part", f"{staged}.lock", f"{staged}.part.source"]
        making.discard(host, [path, staged, *halves])

    def abandon(self, host: HostHandle, job: str) -> None:
        """See Datastore.abandon."""
        end_all(host.transport, making.work_directory(host), job_key(job, ""))

    # --- disks ---

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """See Datastore.disk_path."""
        return layout.disk_file(self.base(host), disk)

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk."""
        host = self.ready(host)
        if disk.kind in ("persistent", "cdrom"):
            self.require_image(host, disk)
            return
        try:
            self._make_disk(host, disk, job, progress, cancel)
        except CommandError:
            if disk.kind == "clone":
                self.require_image(host, disk)
            raise

    def _make_disk(
        self, host: HostHandle, disk: DiskSpec, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        recipe = recipes.clone(self.base(host), disk) if disk.kind == "clone" else recipes.volatile(disk)
        total = recipes.clone_size(disk) if disk.image else disk.size
        key = job_key(job, f"disk-{disk.vm_id}-{disk.disk_id}")
        if recipe.quick:
            (cancel or CancelToken()).raise_if_set()
            making.make_now(host, self.disk_path(host, disk), recipe)
        else:
            making.make_long(host, self.disk_path(host, disk), recipe, key=key, total=total, progress=progress, cancel=cancel)

    def require_image(self, host: HostHandle, disk: DiskSpec) -> None:
        """NotFoundError unless the image that the disk is made from is on the host."""
        host = self.ready(host)
        image = layout.needed_image(disk)
        if not self.has_image(host, image):
            cause = f"disk {disk.disk_id} of VM {disk.vm_id} needs {self.image_path(host, image)}"
            hint = f"nebula image show {image.image_id}"
            raise NotFoundError(f"image {image.image_id} is not on host {host.name}", cause=cause, hint=hint)

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """See Datastore.has_disk."""
        host = self.ready(host)
        return making.exists(host, self.disk_path(host, disk))

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.remove_disk."""
        host = self.ready(host)
        if disk.kind not in ("persistent", "cdrom"):
            path = self.disk_path(host, disk)
            making.discard(host, [path, f"{path}.part", f"{path}.lock"])

    def activate(self, host: HostHandle, disk: DiskSpec) -> None:
        """Nothing: files can be opened."""

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.resize_disk."""
        host = self.ready(host)
        form = disk.image.format if disk.kind == "persistent" and disk.image else disk.format
        host.transport.run(["sh", "-c", _RESIZE, "nebula-resize", form, self.disk_path(host, disk), str(size)], root=True)

    def canonical_source(self, source: str) -> str:
        """UsageError: images are files of its own."""
        raise UsageError(
            f"{source[:80]!r} cannot be an image of datastore {self.datastore_id}",
            cause="its images are its own: only those of iscsi_libvirt and dev are LUNs that exist already",
            hint="nebula datastore list driver=iscsi_libvirt",
        )

    def refresh_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """Nothing: it grows by QEMU."""

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """Nothing: QEMU locks files that it writes to, over NFS, too."""

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """See Datastore.write_context."""
        host = self.ready(host)
        directory, _, name = layout.context_file(self.base(host), vm_id).rpartition("/")
        return making.write_into(host, directory, name, iso)

    def context_path(self, host: HostHandle, vm_id: int) -> str:
        """See Datastore.context_path."""
        return layout.context_file(self.base(host), vm_id)

    def memory_path(self, host: HostHandle, vm_id: int) -> str:
        """See Datastore.memory_path."""
        host = self.ready(host)
        making.make_directory(host, layout.vm_dir(self.base(host), vm_id))
        return layout.memory_file(self.base(host), vm_id)

    def remove_memory(self, host: HostHandle, vm_id: int) -> None:
        """See Datastore.remove_memory."""
        host = self.ready(host)
        making.discard(host, [layout.memory_file(self.base(host), vm_id)])

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm."""
        host = self.ready(host)
        host.transport.run(["rm", "-rf", "--", layout.vm_dir(self.base(host), vm_id)], root=True)
        if not keep_persistent:
            making.discard(host, [self.disk_path(host, disk) for disk in disks if disk.kind == "persistent"])

    # --- layers of disks with snapshots

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
        host = self.ready(host)
        source = self.disk_path(host, disk) if layer == disk.layer else self.layer_path(host, disk, layer)
        recipe = making.Recipe("convert", disk.format, source, image.format, "0")
        key = job_key(job, f"save-{image.image_id}")
        making.make_long(
            host, self.image_path(host, image), recipe, key=key, total=image.size, progress=progress, cancel=cancel
        )  # fmt: skip

    def layer_path(self, host: HostHandle, disk: DiskSpec, layer: int) -> str:
        """See Datastore.layer_path."""
        return layout.layer_file(self.base(host), disk, layer)

    def add_layer(self, host: HostHandle, disk: DiskSpec, layer: int, below: int) -> None:
        """See Datastore.add_layer."""
        host = self.ready(host)
        making.make_now(host, self.layer_path(host, disk, layer), recipes.layer(disk, below))

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
        """See Datastore.rebase_layer."""
        host = self.ready(host)
        key = job_key(job, f"rebase-{disk.vm_id}-{disk.disk_id}-{layer}")
        layering.rebase(host, self.base(host), disk, layer, below, key=key, progress=progress, cancel=cancel)

    def remove_layers(self, host: HostHandle, disk: DiskSpec, layers: Sequence[int]) -> None:
        """See Datastore.remove_layers."""
        host = self.ready(host)
        making.discard(host, [self.layer_path(host, disk, layer) for layer in layers])

    # --- backups

    def scratch_path(self, host: HostHandle, name: str) -> str:
        """See Datastore.scratch_path."""
        return layout.scratch_dir(self.base(host), name)

    def make_scratch(self, host: HostHandle, name: str) -> None:
        """See Datastore.make_scratch."""
        host = self.ready(host)
        self.remove_scratch(host, name)
        making.make_directory(host, self.scratch_path(host, name))

    def remove_scratch(self, host: HostHandle, name: str) -> None:
        """See Datastore.remove_scratch."""
        host = self.ready(host)
        host.transport.run(["rm", "-rf", "--", self.scratch_path(host, name)], root=True)

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
        host = self.ready(host)
        recipe, key = self.reading(host, disk), job_key(job, f"out-{disk.vm_id}-{disk.disk_id}")
        making.make_long(host, path, recipe, key=key, total=disk.virtual_size, progress=progress, cancel=cancel)

    def reading(self, host: HostHandle, disk: DiskSpec) -> making.Recipe:
        """What makes a qcow2 file of the disk, which the host can open when this returns."""
        return making.Recipe("convert", restoring.format_of(disk), self.disk_path(host, disk), "qcow2", "0")

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
        host = self.ready(host)
        recipe = making.Recipe("convert", "qcow2", path, image.format, "0")
        key = job_key(job, f"fill-{image.image_id}")
        making.make_long(
            host, self.image_path(host, image), recipe, key=key, total=image.size, progress=progress, cancel=cancel
        )

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
        """See Datastore.fill_disk: a file of that format is moved into its place, where it may be."""
        host = self.ready(host)
        wanted = restoring.format_of(disk)
        recipe = making.Recipe("adopt", path) if wanted == "qcow2" else making.Recipe("convert", "qcow2", path, wanted, "0")
        key, target = job_key(job, f"fill-{disk.vm_id}-{disk.disk_id}"), self.disk_path(host, disk)
        making.make_long(host, target, recipe, key=key, total=disk.virtual_size, progress=progress, cancel=cancel)

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
        """See Datastore.restore_disk."""
        host = self.ready(host)
        key = job_key(job, f"restore-{disk.vm_id}-{disk.disk_id}")
        restoring.restore(host, self.base(host), disk, path, key=key, progress=progress, cancel=cancel)

    def replace_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.replace_disk."""
        host = self.ready(host)
        restoring.replace(host, self.base(host), disk)

    def discard_restored(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.discard_restored."""
        host = self.ready(host)
        restored = layout.restored_file(self.base(host), disk)
        making.discard(host, [restored, f"{restored}.part", f"{restored}.lock"])

    def vm_ids(self, host: HostHandle) -> list[int]:
        """See Datastore.vm_ids."""
        host = self.ready(host)
        search = ["sh", "-c", _LIST, "nebula-list", layout.vms_dir(self.base(host))]
        names = host.transport.run(search, root=True).text.split()
        return sorted(int(name) for name in names if name.isdecimal())

    def forget_vm(self, host: HostHandle, vm_id: int) -> None:
        """See Datastore.forget_vm: its directory."""
        self.remove_vm(host, vm_id, ())


def job_key(job: str, work: str) -> str:
    """The name of a long command's directory: the job's name and what it works on, in the letters that a name may have."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"job-{job}-{work}")

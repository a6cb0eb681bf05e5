"""What both datastores of files have in common: everything that happens on one host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.drivers.datastore.checks import check_host
from nebula.drivers.datastore.probe import probe_image
from nebula.errors import NotFoundError
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

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
        return DatastoreCapabilities(shared=False, formats=("qcow2", "raw"), linked_clones=True, live_copy=True)

    def base(self, host: HostHandle) -> str:
        """The datastore's directory on this host."""
        return layout.checked_path(f"{host.root}/datastores/{self.datastore_id:d}")

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check."""
        return check_host(host, self.base(host), peers=not self.capabilities.shared)

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """See Datastore.usage."""
        base = self.base(host)
        making.make_directory(host, base)
        told = host.transport.run(["stat", "-f", "-c", "%S %b %f %a", "--", base], root=True).text
        unit, blocks, unused, free = (int(word) for word in told.split())
        return DatastoreUsage(total=unit * blocks, used=unit * (blocks - unused), free=unit * free)

    # --- images ---

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.image_path."""
        return layout.image_file(self.base(host), image)

    def staging_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.staging_path; its directory is there when this returns."""
        making.make_directory(host, layout.images_dir(self.base(host)))
        return layout.staged_file(self.base(host), image)

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe."""
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
        path = self.image_path(host, image)
        key = job_key(job, f"take-{image.image_id}")
        making.make_long(
            host, path, making.Recipe("adopt", staged), key=key, total=image.size, progress=progress, cancel=cancel
        )
        making.discard(host, [staged])

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.create_empty."""
        making.make_now(host, self.image_path(host, image), recipes.empty(image.format, image.size))

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        return making.exists(host, self.image_path(host, image))

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        path = self.image_path(host, image)
        making.discard(host, [path, layout.staged_file(self.base(host), image), f"{path}.part", f"{path}.lock"])

    # --- disks ---

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """See Datastore.disk_path."""
        return layout.disk_file(self.base(host), disk)

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk."""
        if disk.kind == "volatile":
            recipe = recipes.volatile(disk)
        else:
            self.require_image(host, disk)
            if disk.kind != "clone":
                return
            recipe = recipes.clone(self.base(host), disk)
        total = recipes.clone_size(disk) if disk.image else disk.size
        key = job_key(job, f"disk-{disk.vm_id}-{disk.disk_id}")
        if recipe.quick:
            (cancel or CancelToken()).raise_if_set()
            making.make_now(host, self.disk_path(host, disk), recipe)
        else:
            making.make_long(host, self.disk_path(host, disk), recipe, key=key, total=total, progress=progress, cancel=cancel)

    def require_image(self, host: HostHandle, disk: DiskSpec) -> None:
        """NotFoundError unless the image that the disk is made from is on the host."""
        image = layout.needed_image(disk)
        if not self.has_image(host, image):
            cause = f"disk {disk.disk_id} of VM {disk.vm_id} needs {self.image_path(host, image)}"
            hint = f"nebula image show {image.image_id}"
            raise NotFoundError(f"image {image.image_id} is not on host {host.name}", cause=cause, hint=hint)

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """See Datastore.write_context."""
        making.make_directory(host, layout.vm_dir(self.base(host), vm_id))
        path = layout.context_file(self.base(host), vm_id)
        host.transport.write_file(path, iso, mode=0o600, root=True)
        return path

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm."""
        host.transport.run(["rm", "-rf", "--", layout.vm_dir(self.base(host), vm_id)], root=True)
        if not keep_persistent:
            making.discard(host, [self.disk_path(host, disk) for disk in disks if disk.kind == "persistent"])

    def vm_ids(self, host: HostHandle) -> list[int]:
        """See Datastore.vm_ids."""
        search = ["sh", "-c", _LIST, "nebula-list", layout.vms_dir(self.base(host))]
        names = host.transport.run(search, root=True).text.split()
        return sorted(int(name) for name in names if name.isdecimal())


def job_key(job: str, work: str) -> str:
    """The name of a long command's directory: the job's name and what it works on, in the letters that a name may have."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"job-{job}-{work}")

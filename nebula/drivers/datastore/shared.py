"""A datastore that every host sees at the same path (NFS, a cluster file system, or one machine alone)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore.files import FileDatastore
from nebula.drivers.datastore.layout import checked_path
from nebula.errors import NotFoundError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec


class SharedDatastore(FileDatastore):
    """`settings["path"]` is the directory, mounted by the hosts themselves.

    On NFS the export needs `no_root_squash`: root makes the files and libvirt gives them to QEMU's user.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        if "path" not in settings:
            raise UsageError(f"datastore {datastore_id} is shared but has no path", hint="give it one: path=/srv/nebula-shared")
        self._path = checked_path(settings["path"])

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(
            shared=True, formats=("qcow2", "raw"), linked_clones=True, live_copy=False, snapshots=True, backups=True
        )

    def base(self, host: HostHandle) -> str:  # noqa: ARG002 - the same on every host
        """The shared directory."""
        return self._path

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
        del job, progress, cancel
        if not self.has_image(target, image):
            cause = f"the datastore is shared, yet {self.image_path(target, image)} is missing (is it mounted?)"
            hint = f"ssh {target.name} findmnt -T {self._path}"
            raise NotFoundError(
                f"host {target.name} does not see image {image.image_id} that {source.name} has", cause=cause, hint=hint
            )

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """Nothing to prepare: the target sees the same files."""

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
        """Nothing to copy: the target sees the same files."""

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
        """Nothing to move: the target sees the same files."""

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm. With `keep_persistent=False` (the VM moved) nothing: the new host uses these very files."""
        if keep_persistent:
            super().remove_vm(host, vm_id, disks)

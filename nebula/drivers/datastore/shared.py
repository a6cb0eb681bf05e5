"""A datastore that every host sees: an NFS export that we mount, or a path that is the hosts' own affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore.files import FileDatastore
from nebula.drivers.datastore.layout import checked_path
from nebula.drivers.datastore.mounted import Mount, MountedTransport, check_round
from nebula.drivers.datastore.nfs import nfs_of
from nebula.errors import NebulaError, NotFoundError, UsageError
from nebula.model.host import Finding
from nebula.model.storage import DiskSpec, ImageSpec
from nebula.transport.local import LocalTransport


class SharedDatastore(FileDatastore):
    """`settings["path"]` is the directory. With `NFS_AUTO_HOST` and `NFS_AUTO_PATH` that export is mounted there, on a
    directory of ours if there is no path; without, the hosts see to what is there.

    On NFS the export needs `no_root_squash`: root makes the files and libvirt gives them to QEMU's user.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        self._nfs = nfs_of(datastore_id, settings)
        if "path" not in settings and self._nfs is None:
            raise UsageError(f"datastore {datastore_id} is shared but has no path", hint="give it one: path=/srv/nebula-shared")
        self._path = checked_path(settings["path"]) if "path" in settings else ""

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(
            shared=True,
            formats=("qcow2", "raw"),
            linked_clones=True,
            live_copy=False,
            snapshots=True,
            backups=True,
            plain_files=True,
            attached=self._nfs is not None,
            activates=self._nfs is not None,
        )

    def base(self, host: HostHandle) -> str:
        """The shared directory."""
        return self._path or super().base(host)

    def ready(self, host: HostHandle) -> HostHandle:
        """What needs the files does nothing unless the export is mounted and its server answers."""
        mount = self._mount(host)
        if mount is None or isinstance(host.transport, MountedTransport):
            return host
        return msgspec.structs.replace(host, transport=MountedTransport(host.transport, mount))

    def attach(self, host: HostHandle) -> None:
        """See Attached.attach."""
        mount = self._mount(host)
        if mount is not None:
            MountedTransport(host.transport, mount).ensure()

    def detach(self, host: HostHandle) -> None:
        """See Attached.detach."""
        mount = self._mount(host)
        if mount is not None:
            mount.release(host)

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check; on NFS a file is written, locked, read and removed."""
        mount = self._mount(host)
        if mount is None:
            return super().check(host)
        try:
            self.attach(host)
        except NebulaError as error:
            return [mount.finding(error)]
        found = super().check(host)
        return found if any(item.level == "error" for item in found) else [*found, *check_round(self.ready(host), mount)]

    def _mount(self, host: HostHandle) -> Mount | None:
        if self._nfs is None or (self._nfs.own and isinstance(host.transport, LocalTransport)):
            return None  # the files are this machine's own
        return Mount(datastore_id=self.datastore_id, source=self._nfs, directory=self.base(host))

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
        """The target sees the same files; an export is mounted there."""
        del disks, context
        self.attach(target)

    def activate(self, host: HostHandle, disk: DiskSpec) -> None:
        """The export is mounted, as it is not after the host's restart."""
        del disk
        self.attach(host)

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

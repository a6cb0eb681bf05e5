"""A datastore of which each host holds its own copy; files go from host to host when they are needed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.drivers.datastore.files import FileDatastore, job_key
from nebula.drivers.datastore.peers import pull, size_on
from nebula.errors import CommandError, ConflictError
from nebula.model.storage import DiskSpec, ImageSpec


class SshDatastore(FileDatastore):
    """`settings["path"]` is the directory on every host; without it `<host's root>/datastores/<id>`."""

    def __init__(self, datastore_id: int, settings: Mapping[str, str]) -> None:
        super().__init__(datastore_id, settings)
        self._path = layout.checked_path(settings["path"]) if settings.get("path") else ""

    def base(self, host: HostHandle) -> str:
        """The directory on this host."""
        return self._path or super().base(host)

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
        """See Datastore.copy_image."""
        if source.host_id == target.host_id or self.has_image(target, image):
            self.abandon(target, job)  # it may have come while no engine was there to see it end
            return
        path = self.image_path(source, image)
        total = size_on(source, path)
        key = job_key(job, f"image-{image.image_id}")
        making.make_long(
            target,
            self.image_path(target, image),
            pull(source, target, path),
            key=key,
            total=total,
            progress=progress,
            cancel=cancel,
        )

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming."""
        for disk in disks:
            if disk.kind in ("clone", "cdrom"):
                self.require_image(target, disk)
            if disk.kind != "cdrom":
                self._make_incoming(target, disk)
        if context is not None and disks:
            self.write_context(target, disks[0].vm_id, context)

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
        """See Datastore.copy_layers."""
        for disk in disks:
            for layer in disk.frozen:
                there = self.layer_path(source, disk, layer)
                making.make_long(
                    target,
                    self.layer_path(target, disk, layer),
                    pull(source, target, there),
                    key=job_key(job, f"layer-{disk.vm_id}-{disk.disk_id}-{layer}"),
                    total=size_on(source, there),
                    progress=progress,
                    cancel=cancel,
                )

    def _file_of(self, host: HostHandle, disk: DiskSpec, layer: int) -> str:
        return self.disk_path(host, disk) if layer == disk.layer else self.layer_path(host, disk, layer)

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
        """See Datastore.move_vm. A file that the target has already is refreshed, never believed."""
        if source.host_id == target.host_id:
            return
        for disk in disks:
            if disk.kind in ("clone", "cdrom"):
                self.require_image(target, disk)
        files = self._moving_files(source, target, vm_id, disks)
        sizes = [size_on(source, there) for there, _ in files]
        for number, (there, here) in enumerate(files):
            told = _shifted(progress, sum(sizes[:number]), sum(sizes)) if progress else None
            key = job_key(job, f"move-{vm_id}-{number}")
            making.make_long(
                target,
                here,
                pull(source, target, there, again=True),
                key=key,
                total=sizes[number],
                progress=told,
                cancel=cancel,
            )

    def _moving_files(
        self, source: HostHandle, target: HostHandle, vm_id: int, disks: Sequence[DiskSpec]
    ) -> list[tuple[str, str]]:
        """(file at the source, file at the target) of all that goes with the VM; none of them in use."""
        files = []
        for disk in disks:
            for layer in () if disk.kind == "cdrom" else (*disk.frozen, disk.layer):
                files.append((self._file_of(source, disk, layer), self._file_of(target, disk, layer)))
                must_be_free(source, files[-1][0], disk)
                must_be_free(target, files[-1][1], disk)
        for file in (layout.context_file, layout.nvram_file, layout.memory_file):
            there = file(self.base(source), vm_id)
            if making.exists(source, there):
                files.append((there, file(self.base(target), vm_id)))
        return files

    def _make_incoming(self, target: HostHandle, disk: DiskSpec) -> None:
        path = self.disk_path(target, disk)
        must_be_free(target, path, disk)
        making.discard(target, [path])
        making.make_now(target, path, recipes.incoming(disk))


def must_be_free(host: HostHandle, path: str, disk: DiskSpec) -> None:
    """ConflictError if a QEMU on the host has the file open for writing; no file: nothing."""
    if not making.exists(host, path):
        return
    format_ = disk.image.format if disk.kind == "persistent" and disk.image else disk.format
    try:
        host.transport.run(["qemu-img", "info", "-f", format_, path], root=True)
    except CommandError as error:
        if "lock" not in error.cause:
            raise
        message = f"{path} on host {host.name} is in use, so disk {disk.disk_id} of VM {disk.vm_id} cannot be copied"
        raise ConflictError(message, cause=error.cause, hint=f"ssh {host.name} virsh list --all") from error


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)

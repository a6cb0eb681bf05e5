"""The simulated datastore; see nebula.drivers.base.Datastore for what each method promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore.layout import context_file, disk_file, image_file, needed_image, staged_file
from nebula.drivers.sim import images, movement
from nebula.drivers.sim.places import base
from nebula.drivers.sim.transport import sim
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

_TRUE = (True, "true", "True", "yes", "1", 1)


class SimDatastore:
    """One datastore of simulated hosts. Settings: `shared` (true: all hosts see the same files)."""

    def __init__(self, datastore_id: int, settings: Mapping[str, object]) -> None:
        self._id, self._shared = datastore_id, settings.get("shared", False) in _TRUE

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        return DatastoreCapabilities(shared=self._shared, formats=("qcow2", "raw"), linked_clones=True, live_copy=True)

    def _base(self, host: HostHandle) -> str:
        return base(host.root, self._id, shared=self._shared)

    def check(self, host: HostHandle) -> list[Finding]:
        """See Datastore.check."""
        usage = sim(host).perform("datastore.check", lambda _now: images.usage(host, self._base(host)))
        level, words = ("ok", "room") if usage.free else ("error", "no room")
        return [Finding(check="datastore", level=level, text=f"{self._base(host)} on {host.name} has {words}")]  # type: ignore[arg-type]

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """See Datastore.usage."""
        return sim(host).perform("datastore.usage", lambda _now: images.usage(host, self._base(host)))

    def staging_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.staging_path."""
        return staged_file(self._base(host), image)

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:
        """See Datastore.image_path."""
        return image_file(self._base(host), image)

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """See Datastore.disk_path."""
        return disk_file(self._base(host), disk)

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """See Datastore.probe."""
        return sim(host).perform("datastore.probe", lambda _now: images.probe(host, path, claimed), subject=path)

    def take_in(
        self,
        host: HostHandle,
        image: ImageSpec,
        staged: str,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.take_in."""
        path = self.image_path(host, image)
        sim(host).perform(
            "datastore.take_in", lambda _now: images.take_in(host, image, staged, path), subject=image.uuid, cancel=cancel
        )
        if progress is not None:
            progress(image.size, image.size)

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.create_empty."""
        path = self.image_path(host, image)
        sim(host).perform("datastore.create_empty", lambda _now: images.create_empty(host, image, path), subject=image.uuid)

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """See Datastore.has_image."""
        path = self.image_path(host, image)
        return sim(host).perform("datastore.has_image", lambda _now: images.find(host, path) is not None, subject=image.uuid)

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
        pair = (self.image_path(source, image), self.image_path(target, image))
        movement.copy_image(source, target, pair, image.uuid, job, progress, cancel)

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        path = self.image_path(host, image)
        sim(host).perform("datastore.remove_image", lambda now: images.remove(host, path, now), subject=image.uuid)

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk."""
        path = self.disk_path(host, disk)
        backing = "" if disk.kind == "volatile" else self.image_path(host, needed_image(disk))
        movement.create_disk(host, disk, path, backing, job, progress, cancel)

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """See Datastore.write_context."""
        path = context_file(self._base(host), vm_id)
        sim(host).perform(
            "datastore.write_context", lambda _now: images.put_context(host, path, vm_id, iso), subject=f"vm-{vm_id}"
        )
        return path

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming."""
        if self._shared or not disks:
            return
        vm_id = disks[0].vm_id

        def effect(_now: float) -> None:
            for disk in disks:
                backing = self.image_path(target, disk.image) if disk.image is not None else ""
                images.put_incoming(target, disk, self.disk_path(target, disk), backing)
            if context is not None:
                images.put_context(target, context_file(self._base(target), vm_id), vm_id, context)

        sim(target).perform("datastore.prepare_incoming", effect, subject=f"vm-{vm_id}")

    def move_vm(
        self,
        source: HostHandle,
        target: HostHandle,
        disks: Sequence[DiskSpec],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.move_vm."""
        if self._shared or not disks:
            return
        pairs = [(self.disk_path(source, disk), self.disk_path(target, disk)) for disk in disks if disk.kind != "cdrom"]
        vm_id = disks[0].vm_id
        pairs.append((context_file(self._base(source), vm_id), context_file(self._base(target), vm_id)))
        movement.move(source, target, pairs, vm_id, job, progress, cancel)

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm; on shared files no host's copy is a stale one."""
        if self._shared and not keep_persistent:
            return
        stale = [] if keep_persistent else [self.disk_path(host, disk) for disk in disks if disk.kind == "persistent"]
        sim(host).perform(
            "datastore.remove_vm",
            lambda now: images.remove_vm(host, self._base(host), vm_id, stale, now),
            subject=f"vm-{vm_id}",
        )

    def vm_ids(self, host: HostHandle) -> list[int]:
        """See Datastore.vm_ids."""
        return sim(host).perform("datastore.vm_ids", lambda _now: images.vm_ids(host, self._base(host)))

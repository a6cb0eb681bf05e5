"""The simulated datastore; see nebula.drivers.base.Datastore for what each method promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import DatastoreCapabilities, HostHandle, Progress
from nebula.drivers.datastore.layout import (
    context_file,
    disk_file,
    image_file,
    layer_file,
    memory_file,
    needed_image,
    restored_file,
    scratch_dir,
    staged_file,
)
from nebula.drivers.sim import images, inner_snapshots, layer_files, movement, restoring
from nebula.drivers.sim.places import base
from nebula.drivers.sim.transport import sim
from nebula.errors import UsageError
from nebula.model.host import Finding
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec

_TRUE = (True, "true", "True", "yes", "1", 1)


class SimDatastore:
    """One datastore of simulated hosts. Settings: `shared` (true: all hosts see the same files) or `blocks` (true: they see the
    same images and disks, which are raw; the rest of a VM lies on its host); `attached`: hosts reach it by a mount.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, object]) -> None:
        self._id, self._blocks = datastore_id, settings.get("blocks", False) in _TRUE
        self._shared = self._blocks or settings.get("shared", False) in _TRUE
        self._attached = settings.get("attached", False) in _TRUE

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """See Datastore.capabilities."""
        if self._blocks:
            return DatastoreCapabilities(
                shared=True,
                local_home=True,
                formats=("raw",),
                linked_clones=True,
                live_copy=False,
                inner_snapshots=True,
                backups=True,
                exclusive=False,
            )
        return DatastoreCapabilities(
            shared=self._shared, formats=("qcow2", "raw"), linked_clones=True, live_copy=True, snapshots=True, backups=True,
            attached=self._attached, plain_files=True,
        )  # fmt: skip

    def attach(self, host: HostHandle) -> None:
        """See Attached.attach."""
        self._mount(host, "attach", "INSERT OR IGNORE INTO mounts VALUES (?,?)")

    def detach(self, host: HostHandle) -> None:
        """See Attached.detach."""
        self._mount(host, "detach", "DELETE FROM mounts WHERE host=? AND datastore=?")

    def _mount(self, host: HostHandle, operation: str, sql: str) -> None:
        at = sim(host)
        at.perform(f"datastore.{operation}", lambda _now: at.world.db.run(sql, at.name, self._id), subject=str(self._id))

    def _base(self, host: HostHandle) -> str:
        return base(host.root, self._id, shared=self._shared)

    def _home(self, host: HostHandle) -> str:
        """Where the rest of a VM is."""
        return base(host.root, self._id, shared=self._shared and not self._blocks)

    def _kept(self, image: ImageSpec) -> ImageSpec:
        """As what it is kept."""
        return msgspec.structs.replace(image, format="raw") if self._blocks else image

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

    def read_image(self, host: HostHandle, image: ImageSpec, limit: int) -> bytes:
        """See Datastore.read_image."""
        return sim(host).read_file(self.image_path(host, image), limit=limit)

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
            "datastore.take_in",
            lambda _now: images.take_in(host, self._kept(image), staged, path),
            subject=image.uuid,
            cancel=cancel,
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

    def clone_image(
        self,
        host: HostHandle,
        source: ImageSpec,
        image: ImageSpec,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.clone_image."""
        pair = (self.image_path(host, source), self.image_path(host, image))
        sim(host).perform(
            "datastore.clone_image",
            lambda _now: images.clone(host, self._kept(image), *pair),
            subject=image.uuid,
            cancel=cancel,
        )
        if progress is not None:
            progress(image.size, image.size)

    def abandon(self, host: HostHandle, job: str) -> None:
        """See Datastore.abandon."""
        sim(host).perform("datastore.abandon", lambda _now: sim(host).world.copies.abandon(sim(host).name, job), subject=job)

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """See Datastore.remove_image."""
        path, staged = self.image_path(host, image), self.staging_path(host, image)

        def effect(now: float) -> None:
            images.remove(host, path, now)
            sim(host).world.storage.remove(sim(host).name, staged)

        sim(host).perform("datastore.remove_image", effect, subject=image.uuid)

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Datastore.create_disk."""
        path = self.disk_path(host, disk)
        backing = "" if disk.kind == "volatile" else self.image_path(host, needed_image(disk))
        movement.create_disk(host, disk, path, backing, job, progress, cancel)

    def has_disk(self, host: HostHandle, disk: DiskSpec) -> bool:
        """See Datastore.has_disk."""
        path = self.disk_path(host, disk)
        return sim(host).perform("datastore.has_disk", lambda _now: images.find(host, path) is not None)

    def remove_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.remove_disk."""
        path = self.disk_path(host, disk)
        if disk.kind not in ("persistent", "cdrom"):
            sim(host).perform(
                "datastore.remove_disk", lambda now: inner_snapshots.remove_disk(host, path, now), subject=f"vm-{disk.vm_id}"
            )  # fmt: skip

    def activate(self, host: HostHandle, disk: DiskSpec) -> None:
        """Nothing: files can be opened."""

    def resize_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """See Datastore.resize_disk."""
        path = self.disk_path(host, disk)
        sim(host).perform("datastore.resize_disk", lambda _now: images.grow(host, path, size), subject=f"vm-{disk.vm_id}")

    def canonical_source(self, source: str) -> str:
        """UsageError: the world has no LUNs."""
        raise UsageError(f"{source[:80]!r} cannot be an image of a simulated datastore", cause="its images are its own")

    def refresh_disk(self, host: HostHandle, disk: DiskSpec, size: int) -> None:
        """Nothing: it grows by QEMU."""

    def require_unused(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.require_unused. Of files nothing: the world records who writes to what, and refuses nobody."""
        if self._blocks:
            path = self.disk_path(host, disk)
            sim(host).perform(
                "datastore.require_unused", lambda _now: images.require_unused(host, disk, path), subject=f"vm-{disk.vm_id}"
            )

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """See Datastore.write_context."""
        path = context_file(self._home(host), vm_id)
        sim(host).perform(
            "datastore.write_context", lambda _now: images.put_context(host, path, vm_id, iso), subject=f"vm-{vm_id}"
        )
        return path

    def context_path(self, host: HostHandle, vm_id: int) -> str:
        """See Datastore.context_path."""
        return context_file(self._home(host), vm_id)

    def memory_path(self, host: HostHandle, vm_id: int) -> str:
        """See Datastore.memory_path."""
        path = memory_file(self._home(host), vm_id)
        sim(host).perform("datastore.memory_path", lambda _now: None, subject=f"vm-{vm_id}")
        return path

    def remove_memory(self, host: HostHandle, vm_id: int) -> None:
        """See Datastore.remove_memory."""
        path = memory_file(self._home(host), vm_id)
        sim(host).perform("datastore.remove_memory", lambda now: images.remove(host, path, now), subject=f"vm-{vm_id}")

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """See Datastore.prepare_incoming."""
        if (self._shared and not self._blocks) or not disks:
            return
        vm_id = disks[0].vm_id

        def effect(_now: float) -> None:
            for disk in () if self._blocks else disks:
                backing = layer_files.backing_of(self._base(target), disk, disk.below)
                images.put_incoming(target, disk, self.disk_path(target, disk), backing)
            if context is not None:
                images.put_context(target, context_file(self._home(target), vm_id), vm_id, context)

        sim(target).perform("datastore.prepare_incoming", effect, subject=f"vm-{vm_id}")

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
        if self._shared and not self._blocks:
            return
        moved = () if self._blocks else disks
        pairs = [
            pair for disk in moved if disk.kind != "cdrom" for pair in (*self._frozen(source, target, disk),
            (self.disk_path(source, disk), self.disk_path(target, disk)))
        ]  # fmt: skip
        beside = (context_file, memory_file)
        pairs.extend((file(self._home(source), vm_id), file(self._home(target), vm_id)) for file in beside)
        movement.move("move_vm", source, target, pairs, vm_id, job, progress, cancel)

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """See Datastore.remove_vm; on shared files no host's copy is a stale one."""
        if self._shared and not self._blocks and not keep_persistent:
            return
        places = {self._home(host), *((self._base(host),) if keep_persistent else ())}
        stale = (
            []
            if keep_persistent or self._blocks
            else [self.disk_path(host, disk) for disk in disks if disk.kind == "persistent"]
        )
        sim(host).perform(
            "datastore.remove_vm",
            lambda now: images.remove_vm(host, sorted(places), vm_id, stale, now),
            subject=f"vm-{vm_id}",
        )

    def save_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        layer: int,
        image: ImageSpec,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.save_disk; it takes no time."""
        kept = inner_snapshots.name(self.disk_path(host, disk), layer) if self._blocks else self.layer_path(host, disk, layer)
        source = self.disk_path(host, disk) if layer == disk.layer else kept
        path = self.image_path(host, image)
        sim(host).perform(
            "datastore.save_disk",
            lambda now: layer_files.save(host, image, source, path, now),
            subject=image.uuid,
            cancel=cancel,
        )

    def take_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """See KeepsSnapshots.take_snapshot."""
        path = self.disk_path(host, disk)
        self._layered(host, "take_snapshot", disk, lambda _now: inner_snapshots.take(host, path, number))

    def go_back(
        self,
        host: HostHandle,
        disk: DiskSpec,
        number: int,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,  # noqa: ARG002
    ) -> None:
        """See KeepsSnapshots.go_back; it takes no time."""
        self.require_unused(host, disk)
        path = self.disk_path(host, disk)
        self._layered(host, "go_back", disk, lambda _now: inner_snapshots.go_back(host, path, number))

    def remove_snapshot(self, host: HostHandle, disk: DiskSpec, number: int) -> None:
        """See KeepsSnapshots.remove_snapshot."""
        path = self.disk_path(host, disk)
        self._layered(host, "remove_snapshot", disk, lambda now: inner_snapshots.remove(host, path, number, now))

    def layer_path(self, host: HostHandle, disk: DiskSpec, layer: int) -> str:
        """See Datastore.layer_path."""
        return layer_file(self._base(host), disk, layer)

    def add_layer(self, host: HostHandle, disk: DiskSpec, layer: int, below: int) -> None:
        """See Datastore.add_layer."""
        self._layered(host, "add_layer", disk, lambda now: layer_files.add(host, self._base(host), disk, layer, below, now))

    def rebase_layer(
        self,
        host: HostHandle,
        disk: DiskSpec,
        layer: int,
        below: int,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,  # noqa: ARG002
    ) -> None:
        """See Datastore.rebase_layer; it takes no time."""
        self._layered(
            host, "rebase_layer", disk, lambda now: layer_files.rebase(host, self._base(host), disk, layer, below, now)
        )

    def remove_layers(self, host: HostHandle, disk: DiskSpec, layers: Sequence[int]) -> None:
        """See Datastore.remove_layer_files."""
        self._layered(host, "remove_layers", disk, lambda now: layer_files.remove(host, self._base(host), disk, layers, now))

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
        """See Datastore.copy_layer_files."""
        pairs = [pair for disk in disks for pair in self._frozen(source, target, disk)]
        if pairs and not self._shared:
            movement.move("copy_layers", source, target, pairs, disks[0].vm_id, job, progress, cancel)

    def _frozen(self, source: HostHandle, target: HostHandle, disk: DiskSpec) -> list[tuple[str, str]]:
        return [(self.layer_path(source, disk, layer), self.layer_path(target, disk, layer)) for layer in disk.frozen]

    def _layered(self, host: HostHandle, name: str, disk: DiskSpec, effect: Callable[[float], None]) -> None:
        sim(host).perform(f"datastore.{name}", effect, subject=f"vm-{disk.vm_id}")

    def scratch_path(self, host: HostHandle, name: str) -> str:
        """See Datastore.scratch_path."""
        return scratch_dir(self._base(host), name)

    def make_scratch(self, host: HostHandle, name: str) -> None:
        """See Datastore.make_scratch."""
        path = self.scratch_path(host, name)
        sim(host).perform("datastore.make_scratch", lambda _now: restoring.clear(host, path), subject=name)

    def remove_scratch(self, host: HostHandle, name: str) -> None:
        """See Datastore.remove_scratch."""
        path = self.scratch_path(host, name)
        sim(host).perform("datastore.remove_scratch", lambda _now: restoring.clear(host, path), subject=name)

    def copy_out(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.copy_out; it takes no time."""
        source = self.disk_path(host, disk)
        sim(host).perform(
            "datastore.copy_out",
            lambda now: restoring.copy_out(host, source, path, now),
            subject=f"vm-{disk.vm_id}",
            cancel=cancel,
        )

    def fill_image(
        self,
        host: HostHandle,
        image: ImageSpec,
        path: str,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.fill_image; it takes no time."""
        target = self.image_path(host, image)
        sim(host).perform(
            "datastore.fill_image",
            lambda _now: restoring.fill(host, self._kept(image), path, target),
            subject=image.uuid,
            cancel=cancel,
        )

    def fill_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.fill_disk; it takes no time."""
        target = self.disk_path(host, disk)
        sim(host).perform(
            "datastore.fill_disk",
            lambda _now: restoring.fill_disk(host, disk, path, target),
            subject=f"vm-{disk.vm_id}",
            cancel=cancel,
        )

    def restore_disk(
        self,
        host: HostHandle,
        disk: DiskSpec,
        path: str,
        *,
        job: str,  # noqa: ARG002
        progress: Progress | None,  # noqa: ARG002
        cancel: CancelToken | None,
    ) -> None:
        """See Datastore.restore_disk; it takes no time."""
        where = self.disk_path(host, disk)
        target = restored_file(self._base(host), disk)
        sim(host).perform(
            "datastore.restore_disk",
            lambda _now: restoring.restore(host, path, where, target),
            subject=f"vm-{disk.vm_id}",
            cancel=cancel,
        )

    def replace_disk(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.replace_disk."""
        made, where = restored_file(self._base(host), disk), self.disk_path(host, disk)
        self._layered(host, "replace_disk", disk, lambda now: restoring.replace(host, made, where, now))

    def discard_restored(self, host: HostHandle, disk: DiskSpec) -> None:
        """See Datastore.discard_restored."""
        made = restored_file(self._base(host), disk)
        self._layered(host, "discard_restored", disk, lambda _now: sim(host).world.storage.remove(sim(host).name, made))

    def vm_ids(self, host: HostHandle) -> list[int]:
        """See Datastore.vm_ids."""
        places = sorted({self._base(host), self._home(host)})
        found = sim(host).perform("datastore.vm_ids", lambda _now: [images.vm_ids(host, place) for place in places])
        return sorted({number for numbers in found for number in numbers})

    def forget_vm(self, host: HostHandle, vm_id: int) -> None:
        """See Datastore.forget_vm."""
        places = sorted({self._base(host), self._home(host)})
        sim(host).perform(
            "datastore.forget_vm", lambda now: images.remove_vm(host, places, vm_id, [], now), subject=f"vm-{vm_id}"
        )

"""What the simulated datastore does to files, each inside a transaction."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.header import examine
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import EMPTY_FILE, File
from nebula.drivers.sim.transport import sim
from nebula.errors import ConflictError, ImageError, NotFoundError, UsageError
from nebula.model.storage import FILES, DatastoreUsage, DiskSpec, Format, ImageProbe, ImageSpec


def qcow2_head(size: int) -> bytes:
    """The header of an honest qcow2 file of that virtual size."""
    words = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, 0, 0, 16, size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0)
    return words + struct.pack(">QQQII", 0, 0, 0, 4, 104) + bytes(8)


def stage(host: HostHandle, path: str, form: Format, size: int) -> None:
    """Put an honest file of an image where an upload would; `size` is its virtual size in bytes."""
    qcow2 = form == "qcow2"
    sim(host).world.storage.upload(
        sim(host).name, path, size // 4 if qcow2 else size, qcow2_head(size) if qcow2 else bytes(512)
    )


def find(host: HostHandle, path: str) -> File | None:
    """The whole file at the path; a part or a staged file is none."""
    found = sim(host).world.storage.get(sim(host).name, path)
    return None if found is None or found.kind in ("part", "staged") else found


def need(host: HostHandle, path: str) -> File:
    """The whole file at the path, or NotFoundError."""
    found = find(host, path)
    if found is None:
        raise NotFoundError(
            f"host {host.name} has no whole file {path}",
            cause="No such file or directory",
            hint=f"nebula host show {host.name}",
        )
    return found


def require_unused(host: HostHandle, disk: DiskSpec, path: str) -> None:
    """See Datastore.require_unused."""
    world, name = sim(host).world, sim(host).name
    writer = world.disks.writer_of(place(name, path).scope, path)
    if writer:
        raise ConflictError(
            f"disk {disk.disk_id} of VM {disk.vm_id} is in use, and would have two writers",
            cause=f"domain {writer} has {path}",
            hint=f"nebula vm show {disk.vm_id}",
        )


def usage(host: HostHandle, directory: str) -> DatastoreUsage:
    """Space of the datastore."""
    where = place(sim(host).name, f"{directory}/")
    return sim(host).world.storage.usage(where.scope, where.datastore or 0)


def probe(host: HostHandle, path: str, claimed: str) -> ImageProbe:
    """See Datastore.probe."""
    found = sim(host).world.storage.get(sim(host).name, path)
    if found is None:
        raise NotFoundError(f"there is no file {path} on host {host.name}", cause="No such file or directory")
    if found.kind not in ("staged", "file"):
        return ImageProbe(format=_format(found.format), virtual_size=found.virtual_size, actual_size=found.size)
    if not found.size:
        raise ImageError(f"{path} on host {host.name} is empty")
    form = examine(found.head, path)
    if claimed and claimed != form:
        raise ImageError(f"{path} is not what it is said to be", cause=f"said to be {claimed}, found to be {form}")
    virtual = struct.unpack_from(">Q", found.head, 24)[0] if form == "qcow2" else found.size
    return ImageProbe(format=form, virtual_size=virtual, actual_size=found.size)


def _format(name: str) -> Format:
    return "qcow2" if name == "qcow2" else "raw"


def take_in(host: HostHandle, image: ImageSpec, staged: str, path: str) -> None:
    """See Datastore.take_in."""
    world, name = sim(host).world, sim(host).name
    found = world.storage.get(name, staged)
    if found is None:
        need(host, path)
        return
    world.storage.remove(name, staged)
    head = found.head if image.type in FILES else b""
    world.storage.put(_image(host, image, path, found.size)._replace(head=head))


def create_empty(host: HostHandle, image: ImageSpec, path: str) -> None:
    """See Datastore.create_empty."""
    if find(host, path) is None:
        sim(host).world.storage.put(_image(host, image, path, EMPTY_FILE))


def clone(host: HostHandle, image: ImageSpec, source: str, path: str) -> None:
    """See Datastore.clone_image."""
    if find(host, path) is None:
        sim(host).world.storage.put(_image(host, image, path, need(host, source).size))


def _image(host: HostHandle, image: ImageSpec, path: str, size: int) -> File:
    scope, datastore = place(sim(host).name, path)
    return File(scope, path, "image", datastore, size, image.format, image.size, content=f"image:{image.uuid}")


def make_disk(host: HostHandle, disk: DiskSpec, path: str, backing: str, now: float) -> None:
    """A linked clone or a volatile disk; for persistent and cdrom a look at the image."""
    if backing:
        check_size(disk, need(host, backing))
    if disk.kind in ("persistent", "cdrom") or find(host, path) is not None:
        return
    begin_anew(host, disk, path, now)
    sim(host).world.storage.put(_disk(host, disk, path, backing))


def check_size(disk: DiskSpec, image: File) -> None:
    """UsageError for a clone that is smaller than its image."""
    if 0 < disk.size < image.virtual_size and disk.kind == "clone":
        raise UsageError(
            f"disk {disk.disk_id} of VM {disk.vm_id} cannot be smaller than its image",
            cause=f"{disk.size} bytes asked for, the image has {image.virtual_size}",
        )


def _disk(host: HostHandle, disk: DiskSpec, path: str, backing: str) -> File:
    scope, datastore = place(sim(host).name, path)
    virtual = disk.size or (disk.image.size if disk.image else 0)
    return File(
        scope, path, "disk", datastore, EMPTY_FILE, disk.format, virtual,
        vm_id=disk.vm_id, content=content_of(disk), backing=backing,
    )  # fmt: skip


def content_of(disk: DiskSpec) -> str:
    """The name of a disk's data, wherever it lies."""
    return f"vm:{disk.vm_id}:{disk.disk_id}" + (f".{disk.layer}" if disk.layer else "")


def begin_anew(host: HostHandle, disk: DiskSpec, path: str, now: float) -> None:
    """A disk begins anew; that its written content lies on another host means that somebody's data is being lost."""
    db = sim(host).world.db
    content = content_of(disk)
    row = db.one("SELECT scope FROM files WHERE content=? AND generation > 0 AND kind='disk'", content)
    if row is not None:
        db.violation(now, "disk_made_anew", f"{path} was made empty on {host.name} while its data is on {row[0]}")
    db.run("DELETE FROM written WHERE content=?", content)


def put_incoming(host: HostHandle, disk: DiskSpec, path: str, backing: str) -> None:
    """An empty disk that a live migration fills; what it lies on must be there."""
    if backing and disk.kind != "persistent":
        need(host, backing)
    if disk.kind == "cdrom" or find(host, path) is not None:
        return
    if disk.kind == "persistent" and disk.image is not None:
        sim(host).world.storage.put(_image(host, disk.image, path, EMPTY_FILE))
    else:
        sim(host).world.storage.put(_disk(host, disk, path, backing))


def put_context(host: HostHandle, path: str, vm_id: int, iso: bytes) -> None:
    """See Datastore.write_context."""
    scope, datastore = place(sim(host).name, path)
    sim(host).world.storage.put(
        File(
            scope,
            path,
            "context",
            datastore,
            len(iso),
            "raw",
            len(iso),
            vm_id=vm_id,
            content=f"context:{vm_id}",
            head=iso[: 1 << 20],
        )
    )


def grow(host: HostHandle, path: str, size: int) -> None:
    """The file's virtual size is at least that."""
    found = need(host, path)
    sim(host).world.db.run(
        "UPDATE files SET virtual_size=max(virtual_size, ?) WHERE scope=? AND path=?", size, found.scope, path
    )  # fmt: skip


def remove(host: HostHandle, path: str, now: float) -> None:
    """Delete a file; a guest that writes to it, or disks that back onto it, are recorded as violations."""
    world, name = sim(host).world, sim(host).name
    scope = place(name, path).scope
    writer = world.disks.writer_of(scope, path)
    if writer:
        world.db.violation(now, "removed_in_use", f"{path} on {name} was removed while {writer} wrote to it")
    clone = world.db.one("SELECT path FROM files WHERE scope=? AND backing=? AND backing != ''", scope, path)
    if clone is not None:
        world.db.violation(now, "backing_removed", f"{path} on {name} was removed while {clone[0]} backs onto it")
    world.storage.remove(name, path)


def remove_vm(host: HostHandle, directories: Sequence[str], vm_id: int, stale: Sequence[str], now: float) -> None:
    """See Datastore.remove_vm; `stale` are the paths of persistent disks that go too."""
    files = (path for directory in directories for path in _vm_files(host, directory, vm_id))
    for path in (*files, *stale):
        remove(host, path, now)


def _vm_files(host: HostHandle, directory: str, vm_id: int) -> list[str]:
    where = place(sim(host).name, f"{directory}/")
    rows = sim(host).world.db.all(
        "SELECT path FROM files WHERE vm_id=? AND scope=? AND datastore=? AND kind != 'image'"
        " ORDER BY length(path) DESC, path DESC",  # a disk's layers from the last one on: none lies on one that is gone
        vm_id,
        where.scope,
        where.datastore,
    )
    return [str(path) for (path,) in rows]


def vm_ids(host: HostHandle, directory: str) -> list[int]:
    """See Datastore.vm_ids."""
    where = place(sim(host).name, f"{directory}/")
    rows = sim(host).world.db.all(
        "SELECT DISTINCT vm_id FROM files WHERE vm_id IS NOT NULL AND scope=? AND datastore=? AND kind != 'image'"
        " ORDER BY vm_id",
        where.scope, where.datastore,
    )  # fmt: skip
    return [int(vm_id) for (vm_id,) in rows]

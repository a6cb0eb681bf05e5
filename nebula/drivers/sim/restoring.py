"""What the simulated datastore does with files of backups, each inside a transaction."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.sim import images
from nebula.drivers.sim.backups import scratch_file
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import EMPTY_FILE
from nebula.drivers.sim.transport import sim
from nebula.model.storage import DiskSpec, ImageSpec


def clear(host: HostHandle, directory: str) -> None:
    """Nothing is in the directory."""
    scope = place(sim(host).name, f"{directory}/").scope
    sim(host).world.db.run(
        "DELETE FROM files WHERE scope=? AND substr(path, 1, ?)=?", scope, len(directory) + 1, f"{directory}/"
    )  # fmt: skip


def copy_out(host: HostHandle, source: str, path: str, now: float) -> None:
    """See Datastore.copy_out. A disk to which a guest writes is recorded as a violation."""
    world, name = sim(host).world, sim(host).name
    found = images.need(host, source)
    writer = world.disks.writer_of(found.scope, source)
    if writer:
        world.db.violation(now, "copied_in_use", f"{source} on {name} was copied while {writer} wrote to it")
    world.storage.put(scratch_file(name, path, found)._replace(size=max(EMPTY_FILE, found.virtual_size)))


def fill(host: HostHandle, image: ImageSpec, source: str, path: str) -> None:
    """See Datastore.fill_image; the content keeps its name, so that tests know it."""
    if images.find(host, path) is None:
        found = images.need(host, source)
        scope, datastore = place(sim(host).name, path)
        sim(host).world.storage.put(
            found._replace(scope=scope, path=path, kind="image", datastore=datastore, format=image.format, vm_id=None)
        )


def fill_disk(host: HostHandle, disk: DiskSpec, source: str, path: str) -> None:
    """See Datastore.fill_disk: the file is the disk from then on. Its content keeps its name and its age."""
    if images.find(host, path) is not None:
        return
    found, (scope, datastore) = images.need(host, source), place(sim(host).name, path)
    image = disk.kind == "persistent"
    form = disk.image.format if image and disk.image is not None else disk.format
    sim(host).world.storage.remove(sim(host).name, source)
    sim(host).world.storage.put(
        found._replace(
            scope=scope, path=path, kind="image" if image else "disk", datastore=datastore, format=form,
            virtual_size=max(found.virtual_size, disk.virtual_size), vm_id=None if image else disk.vm_id,
        )
    )  # fmt: skip


def restore(host: HostHandle, source: str, disk: str, path: str) -> None:
    """See Datastore.restore_disk: beside the disk's file."""
    found, old = images.need(host, source), images.need(host, disk)
    sim(host).world.storage.put(
        old._replace(path=path, kind="part", generation=found.generation, virtual_size=found.virtual_size, size=found.size)
    )


def replace(host: HostHandle, path: str, disk: str, now: float) -> None:
    """See Datastore.replace_disk: what the guest wrote since is as if it had never been."""
    world, name = sim(host).world, sim(host).name
    made = world.storage.get(name, path)
    if made is None:
        images.need(host, disk)
        return
    writer = world.disks.writer_of(made.scope, disk)
    if writer:
        world.db.violation(now, "replaced_in_use", f"{disk} on {name} was replaced while {writer} wrote to it")
    old = images.need(host, disk)
    world.storage.remove(name, path)
    world.storage.put(made._replace(path=disk, kind=old.kind))
    world.db.run("UPDATE written SET generation=? WHERE content=?", made.generation, old.content)

"""Layers of simulated disks with snapshots. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.layout import image_file, layer_file
from nebula.drivers.sim import images
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import EMPTY_FILE, File
from nebula.drivers.sim.transport import sim
from nebula.model.storage import DiskSpec, ImageSpec


def backing_of(base: str, disk: DiskSpec, below: int) -> str:
    """The file on which a layer lies; "" for none."""
    if below >= 0:
        return layer_file(base, disk, below)
    return image_file(base, disk.image) if disk.image is not None else ""


def add(host: HostHandle, base: str, disk: DiskSpec, layer: int, below: int, now: float) -> None:
    """See Datastore.add_layer."""
    path = layer_file(base, disk, layer)
    if images.find(host, path) is not None:
        return
    images.need(host, layer_file(base, disk, below))
    made = msgspec.structs.replace(disk, layer=layer)
    images.begin_anew(host, made, path, now)
    scope, datastore = place(sim(host).name, path)
    sim(host).world.storage.put(
        File(
            scope, path, "disk", datastore, EMPTY_FILE, "qcow2", disk.virtual_size, vm_id=disk.vm_id,
            content=images.content_of(made), backing=layer_file(base, disk, below),
        )
    )  # fmt: skip


def rebase(host: HostHandle, base: str, disk: DiskSpec, layer: int, below: int, now: float) -> None:
    """See Datastore.rebase_layer. One that a guest writes to is recorded as a violation."""
    path, backing = layer_file(base, disk, layer), backing_of(base, disk, below)
    found = images.need(host, path)
    if backing:
        images.need(host, backing)
    world, name = sim(host).world, sim(host).name
    writer = world.disks.writer_of(found.scope, path)
    if writer:
        world.db.violation(now, "rebased_in_use", f"{path} on {name} was rebased while {writer} wrote to it")
    world.db.run("UPDATE files SET backing=? WHERE scope=? AND path=?", backing, found.scope, path)


def remove(host: HostHandle, base: str, disk: DiskSpec, layers: Sequence[int], now: float) -> None:
    """See Datastore.remove_layers."""
    for layer in layers:
        images.remove(host, layer_file(base, disk, layer), now)


def save(host: HostHandle, image: ImageSpec, source: str, path: str, now: float) -> None:
    """See Datastore.save_disk. A layer to which a guest writes is recorded as a violation."""
    world, name = sim(host).world, sim(host).name
    writer = world.disks.writer_of(place(name, source).scope, source)
    if writer:
        world.db.violation(now, "copied_in_use", f"{source} on {name} was copied while {writer} wrote to it")
    images.clone(host, image, source, path)

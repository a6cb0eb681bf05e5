"""Snapshots that simulated disks keep within themselves. Every function runs inside a transaction."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.sim import images
from nebula.drivers.sim.places import place
from nebula.drivers.sim.transport import sim


def name(disk: str, number: int) -> str:
    """What stands for the snapshot among the files."""
    return f"{disk}@{number:d}"


def take(host: HostHandle, disk: str, number: int) -> None:
    """See KeepsSnapshots.take_snapshot."""
    found = images.need(host, disk)
    if images.find(host, name(disk, number)) is None:
        sim(host).world.storage.put(found._replace(path=name(disk, number), size=0, backing=""))


def go_back(host: HostHandle, disk: str, number: int) -> None:
    """See KeepsSnapshots.go_back: what the guest wrote since is as if it had never been."""
    found, kept = images.need(host, disk), images.need(host, name(disk, number))
    world = sim(host).world
    world.storage.put(found._replace(generation=kept.generation, virtual_size=kept.virtual_size))
    world.db.run("UPDATE written SET generation=? WHERE content=?", kept.generation, found.content)


def remove(host: HostHandle, disk: str, number: int, now: float) -> None:
    """See KeepsSnapshots.remove_snapshot."""
    images.remove(host, name(disk, number), now)


def remove_disk(host: HostHandle, disk: str, now: float) -> None:
    """The disk goes with all that it keeps."""
    scope = place(sim(host).name, disk).scope
    sim(host).world.db.run("DELETE FROM files WHERE scope=? AND substr(path, 1, ?)=?", scope, len(disk) + 1, f"{disk}@")
    images.remove(host, disk, now)

"""The tree of a disk's snapshots: what may be done with it, and how it looks afterwards. Knows no host and no row.

Each snapshot is a file that nobody writes to any more; the guest writes to a file of its own, which lies on that of the
active snapshot. So what depends on a snapshot's file are the files of its children, and the guest's own. What a disk keeps
within itself depends on nothing: there the tree says only what came after what.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from nebula.engine.machines.disks import Disk, DiskSnapshot
from nebula.errors import ConflictError, NotFoundError, UsageError

MAX_SNAPSHOTS = 64
"""Of a disk: QEMU opens every file of the chain."""


class Dependent(NamedTuple):
    """A file that lies on a snapshot's; `own`: the one that the guest writes to; `used`: a running guest reads it."""

    layer: int
    own: bool
    used: bool


def snapshot_named(disk: Disk, ref: str) -> DiskSnapshot:
    """By its id or name; NotFoundError if there is none."""
    found = [one for one in disk.snapshots if ref in (str(one.snapshot_id), one.name)]
    if not found:
        have = ", ".join(f"{one.snapshot_id} ({one.name})" for one in disk.snapshots)
        raise NotFoundError(
            f"disk {disk.disk_id} has no snapshot {ref[:60]!r}", cause=f"it has {have or 'none'}",
            hint="nebula vm disk-snapshot-list VM DISK",
        )  # fmt: skip
    by_id = [one for one in found if str(one.snapshot_id) == ref]
    return (by_id or found)[0]


def check_new(disk: Disk, name: str) -> None:
    """Whether a snapshot of that name may be made."""
    check_name_free(disk, name)
    if len(disk.snapshots) >= MAX_SNAPSHOTS:
        raise ConflictError(f"disk {disk.disk_id} has {MAX_SNAPSHOTS} snapshots, the most there can be", hint="delete one")


def check_name_free(disk: Disk, name: str) -> None:
    """Whether a snapshot of the disk may be called so."""
    check_name(name, {one.name for one in disk.snapshots}, f"disk {disk.disk_id}")


def check_name(name: str, taken: Container[str], of: str) -> None:
    """A name is text of one line, no number (ids are numbers), and belongs to one snapshot; `of`: whose they are."""
    if not name or len(name) > 128 or not name.isprintable() or name != name.strip() or name.isdecimal():
        raise UsageError(
            f"a snapshot cannot be called {name[:60]!r}",
            cause="up to 128 printable characters, not only digits",
            hint="before-upgrade",
        )
    if name in taken:
        raise ConflictError(f"{of} has a snapshot {name} already", hint="choose another name")


def dependents(disk: Disk, snapshot: DiskSnapshot) -> list[Dependent]:
    """What lies on the snapshot's file."""
    if snapshot.inner:
        return []
    chain = {one.snapshot_id for one in _chain(disk)}
    children = [one for one in disk.snapshots if one.parent == snapshot.snapshot_id]
    found = [Dependent(one.layer, own=False, used=one.snapshot_id in chain) for one in children]
    return [*found, Dependent(disk.layer, own=True, used=True)] if disk.active == snapshot.snapshot_id else found


def below(disk: Disk, snapshot: DiskSnapshot) -> int:
    """The layer under a snapshot's; -1: what the disk is made of."""
    return next((one.layer for one in disk.snapshots if one.snapshot_id == snapshot.parent), -1)


def created(disk: Disk, name: str, number: int, now: float, *, inner: bool = False) -> None:
    """The guest's file until now is the snapshot's; it goes on in a file of that number, or in the same one (`inner`)."""
    layer = number if inner else disk.layer
    disk.snapshots.append(
        DiskSnapshot(snapshot_id=number, name=name, parent=disk.active, layer=layer, created=now, inner=inner)
    )  # fmt: skip
    disk.active, disk.made = number, number
    if not inner:
        disk.layer = number


def reverted(disk: Disk, snapshot_id: int, number: int, *, inner: bool = False) -> None:
    """The guest goes on from the snapshot, in a file of that number, or in the same one (`inner`)."""
    disk.active, disk.made = snapshot_id, number
    if not inner:
        disk.layer = number


def deleted(disk: Disk, snapshot: DiskSnapshot) -> None:
    """What came after it comes after its parent."""
    for one in disk.snapshots:
        if one.parent == snapshot.snapshot_id:
            one.parent = snapshot.parent
    if disk.active == snapshot.snapshot_id:
        disk.active = snapshot.parent
    disk.snapshots = [one for one in disk.snapshots if one.snapshot_id != snapshot.snapshot_id]


def forgotten(disk: Disk) -> None:
    """The disk is made anew."""
    disk.snapshots, disk.active, disk.layer, disk.made = [], -1, 0, 0


def _chain(disk: Disk) -> list[DiskSnapshot]:
    """The snapshots whose files the guest reads, from the active one down."""
    known = {one.snapshot_id: one for one in disk.snapshots}
    found = []
    number = disk.active
    while number in known:
        found.append(known[number])
        number = known[number].parent
    return found

"""Space in datastores, as a test of hosts: what a VM's disks need beside what is kept free.

A disk that grows as it is written (qcow2) needs nothing at first, a raw one its whole size. A datastore keeps 5 % of itself
free, 4 GiB at most, or what its attribute RESERVED_SPACE says ("10%", "20G").
"""

from __future__ import annotations

from collections.abc import Iterable

from nebula.engine.capacity import reserved_amount
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.machine import Machine
from nebula.engine.machines.moving import Arriving
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.values import SpaceView, VmView
from nebula.engine.store.rows import DatastoreRow
from nebula.errors import UsageError

RESERVED = "RESERVED_SPACE"
SPACE = "short of space"
_SHARE, _MOST = 20, 4096
"""By default a twentieth is kept, at most so many MiB."""


class Spaces:
    """What is free under datastores, per host or, where all hosts see the same, once; MiB."""

    def __init__(self, views: Iterable[SpaceView]) -> None:
        self._views = {(view.datastore_id, view.host_id): view for view in views}
        self._free = {key: view.free for key, view in self._views.items()}

    def promise(self, vm: VmView, host_id: int, times: int = 1) -> None:
        """The VM's disks come to the host; `times` -1: they go."""
        for datastore_id, need in vm.space:
            key = self._key(datastore_id, host_id)
            if key in self._free:
                self._free[key] -= times * need

    def refusal(self, vm: VmView, host_id: int) -> Refusal | None:
        """Which datastore has no room for the VM's disks."""
        lacks = (self.lack(datastore_id, host_id, need) for datastore_id, need in vm.space)
        return next((lack for lack in lacks if lack is not None), None)

    def lack(self, datastore_id: int, host_id: int, need: int) -> Refusal | None:
        """Whether the datastore has no room for so many MiB."""
        key = self._key(datastore_id, host_id)
        view = self._views.get(key)
        if view is None or self._free[key] - need >= view.keep:
            return None
        free = max(0, self._free[key])
        words = f"datastore {view.name}: {free} MiB of {view.total} free, {need} MiB needed and {view.keep} kept free"
        return Refusal(SPACE, words, need + view.keep - self._free[key])

    def _key(self, datastore_id: int, host_id: int) -> tuple[int, int]:
        return (datastore_id, 0) if (datastore_id, 0) in self._views else (datastore_id, host_id)


def space_views(rows: Iterable[DatastoreRow], coming: Arriving) -> tuple[SpaceView, ...]:
    """What is known of the space of datastores."""
    found: list[SpaceView] = []
    for row in rows:
        measured = {host: space for host, space in (row.body.get("space") or {}).items() if str(host).isdecimal()}
        for host, (total, _, left) in measured.items():
            where, keep = 0 if row.body.get("shared") else int(host), _kept(row, total)
            taken = sum(size for (number, to), size in coming.items() if number == row.id and where in {0, to})
            free = int(left) - taken
            found.append(
                SpaceView(datastore_id=row.id, name=row.name, host_id=where, total=int(total), free=free, keep=keep)
            )  # fmt: skip
    return tuple(found)


def _kept(row: DatastoreRow, total: int) -> int:
    given = str((row.body.get("attributes") or {}).get(RESERVED) or "")
    try:
        return max(0, reserved_amount(total, given, "memory")) if given else min(total // _SHARE, _MOST)
    except UsageError:
        return min(total // _SHARE, _MOST)


def needs(machine: Machine, *, moving: bool) -> tuple[tuple[int, int], ...]:
    """(datastore, MiB) that the disks need where they come; `moving`: with what persistent images need."""
    found: dict[int, int] = {}
    for disk in machine.disks:
        if disk.kind == "cdrom" or (disk.kind == "persistent" and not moving):
            continue
        found[disk.datastore_id] = found.get(disk.datastore_id, 0) + needed(disk)
    return tuple(sorted(found.items()))


def needed(disk: Disk) -> int:
    """MiB that a disk needs where it comes."""
    return 0 if disk.format == "qcow2" else -(-size_of(disk) // (1 << 20))

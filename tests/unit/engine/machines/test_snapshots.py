"""The tree of a disk's snapshots, against what its files would hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.machines import snapshots
from nebula.engine.machines.disks import Disk
from nebula.errors import ConflictError, NotFoundError, UsageError


def new_disk() -> Disk:
    return Disk(disk_id=0, kind="volatile", format="qcow2", size=1 << 20, datastore_id=1, target="vda", bus="virtio")


class Files:
    """What a host would have: each file holds the writes that were made to it, and lies on another one (or on none)."""

    def __init__(self) -> None:
        self.own: dict[int, dict[int, int]] = {0: {}}
        self.below: dict[int, int] = {0: -1}

    def seen(self, layer: int) -> dict[int, int]:
        return {} if layer < 0 else {**self.seen(self.below[layer]), **self.own[layer]}

    def add(self, layer: int, below: int) -> None:
        assert layer not in self.own, "a number was used twice"
        self.own[layer], self.below[layer] = {}, below

    def rebase(self, layer: int, below: int) -> None:
        self.own[layer], self.below[layer] = self.seen(layer), below

    def remove(self, layer: int) -> None:
        assert layer not in self.below.values(), "a file lies on one that was removed"
        del self.own[layer], self.below[layer]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["write", "create", "revert", "delete"]), st.integers(0, 9)), max_size=30))
def test_whatever_is_done_every_snapshot_shows_what_it_was_made_of(deeds: list[tuple[str, int]]) -> None:
    disk, files = new_disk(), Files()
    kept: dict[int, dict[int, int]] = {}
    now: dict[int, int] = {}
    for count, (deed, number) in enumerate(deeds):
        chosen = disk.snapshots[number % len(disk.snapshots)] if disk.snapshots else None
        if deed == "write":
            files.own[disk.layer][number] = now[number] = count
        elif deed == "create":
            new = disk.made + 1
            files.add(new, disk.layer)
            snapshots.created(disk, f"s{new}", new, 0.0)
            kept[new] = dict(now)
        elif deed == "revert" and chosen:
            new, old = disk.made + 1, disk.layer
            files.add(new, chosen.layer)
            snapshots.reverted(disk, chosen.snapshot_id, new)
            files.remove(old)
            now = dict(kept[chosen.snapshot_id])
        elif deed == "delete" and chosen:
            for one in snapshots.dependents(disk, chosen):
                files.rebase(one.layer, snapshots.below(disk, chosen))
            files.remove(chosen.layer)
            snapshots.deleted(disk, chosen)
            del kept[chosen.snapshot_id]
        assert files.seen(disk.layer) == now
        assert {one.snapshot_id: files.seen(one.layer) for one in disk.snapshots} == kept
        spec = disk.spec(7)
        assert set(files.own) == {*spec.frozen, spec.layer}, "files that nobody knows"
        assert all(child.parent < child.snapshot_id for child in disk.snapshots)


def test_what_a_running_guest_reads_is_told_from_what_it_does_not() -> None:
    disk = new_disk()
    for number in (1, 2, 3):
        snapshots.created(disk, f"s{number}", number, 0.0)
    snapshots.reverted(disk, 1, 4)
    first, second, third = disk.snapshots
    assert snapshots.dependents(disk, first) == [
        snapshots.Dependent(second.layer, own=False, used=False),
        snapshots.Dependent(4, own=True, used=True),
    ]
    assert snapshots.dependents(disk, third) == []
    assert (snapshots.below(disk, first), snapshots.below(disk, third)) == (-1, second.layer)


def test_names() -> None:
    disk = new_disk()
    snapshots.created(disk, "clean", 1, 0.0)
    assert snapshots.snapshot_named(disk, "1") is snapshots.snapshot_named(disk, "clean")
    with pytest.raises(NotFoundError, match="no snapshot"):
        snapshots.snapshot_named(disk, "other")
    with pytest.raises(ConflictError, match="already"):
        snapshots.check_new(disk, "clean")
    for bad in ("", "17", "a\nb", " a", "x" * 129):
        with pytest.raises(UsageError):
            snapshots.check_new(disk, bad)
    for number in range(2, snapshots.MAX_SNAPSHOTS + 1):
        snapshots.created(disk, f"s{number}", number, 0.0)
    with pytest.raises(ConflictError, match="most"):
        snapshots.check_new(disk, "one too many")

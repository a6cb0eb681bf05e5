"""Disks that come to another datastore, on simulated hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nebula.drivers.sim.places import place
from nebula.engine.api.values import Call
from nebula.engine.machines.disks import Disk
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import BackupRow, DatastoreRow, ImageCopyRow, JobRow
from nebula.errors import CapacityError, ConflictError, DeniedError, NotFoundError, WrongStateError
from tests.support.sim import CALL, DRY, Sim, until

DISKS: list[Mapping[str, Any]] = [{"IMAGE": "base", "FORMAT": "qcow2"}, {"SIZE": 8, "FORMAT": "raw"}]


@pytest.fixture
def two(sim: Sim) -> Sim:
    """Beside "disks", which each host has for itself: "common" of files and "pool" of blocks, which all of them see."""
    for name, how in (("common", "shared"), ("pool", "blocks")):
        sim.engine.datastores.create({"name": name, "driver": "sim", "settings": {how: "true"}}, CALL)
    sim.engine.datastores.create({"name": "disks-only", "type": "system", "driver": "sim"}, CALL)
    sim.settle()
    return sim


def move(sim: Sim, disk: str, datastore: str, call: Call = CALL) -> None:
    sim.engine.vms.disk_move("one", disk, datastore, call)
    sim.settle()


def disk_of(sim: Sim, number: int = 0) -> Disk:
    return machine_of(sim.vm("one")).disks[number]


def store(sim: Sim, name: str) -> int:
    found: DatastoreRow = sim.rows(DatastoreRow, '"name"=?', (name,))[0]
    return found.id


def files(sim: Sim) -> set[tuple[str, int, str]]:
    """(name, datastore, what it lies on) of all disks."""
    rows = sim.world.db.all("SELECT path, datastore, backing FROM files WHERE kind='disk'")
    return {(path.rpartition("/")[2], number, backing.rpartition("/")[2]) for path, number, backing in rows}


def written(sim: Sim, disk: int = 0) -> tuple[str, int]:
    """Whose data the disk's file has, and how often a guest wrote it."""
    (row,) = sim.world.db.all("SELECT content, generation FROM files WHERE kind='disk' AND path LIKE ?", f"%/disk.{disk}")
    return str(row[0]), int(row[1])


@pytest.mark.parametrize("off", [False, True])
def test_a_disk_goes_from_datastore_to_datastore_with_what_is_in_it(two: Sim, off: bool) -> None:
    two.add_vm("one", DISK=DISKS)
    if off:
        two.engine.vms.poweroff("one", CALL)
        two.settle()
    before, place = written(two), two.state("one")
    for name, form in (("common", "qcow2"), ("pool", "raw"), ("disks", "raw")):
        move(two, "vda", name)
        disk = disk_of(two)
        assert (disk.datastore_id, disk.format, disk.kind, disk.whole) == (store(two, name), form, "clone", True)
        assert files(two) == {("disk.0", store(two, name), ""), ("disk.1", store(two, "disks"), "")}
        assert (written(two), two.state("one")) == (before, place)
    assert two.vm("one").datastore_id == store(two, "disks"), "the rest of the VM stays where it was"
    if off:
        two.engine.vms.resume("one", CALL)
        two.settle()
    two.engine.vms.migrate("one", "", CALL, live=True)
    two.settle()
    home = store(two, "disks")
    assert (two.state("one"), files(two)) == ("RUNNING", {("disk.0", home, ""), ("disk.1", home, "")})
    assert two.image("base").running_vms == 1
    two.assert_sound()
    two.engine.vms.terminate("one", CALL)
    two.settle()
    assert files(two) == set()
    two.assert_sound()


def test_a_persistent_image_comes_along(two: Sim) -> None:
    image = two.add_image("data", persistent=True)
    two.add_vm("one", DISK=[{"IMAGE": "data"}])
    for name, form, shared in (("common", "qcow2", True), ("pool", "raw", True), ("disks", "raw", False)):
        move(two, "0", name)
        now = two.image("data")
        assert (now.datastore_id, now.format, now.state) == (store(two, name), form, image.state + 7)
        disk = disk_of(two)
        assert disk.image is not None
        assert (disk.image.format, disk.datastore_id) == (form, now.datastore_id)
        copies = [row.host_id for row in two.rows(ImageCopyRow, '"image_id"=?', (image.id,))]
        assert copies == [-1 if shared else two.vm("one").host_id]
        rows = two.world.db.all("SELECT datastore FROM files WHERE kind='image' AND path LIKE ?", f"%{image.uuid}%")
        assert rows == [(now.datastore_id,)]
    two.engine.vms.poweroff("one", CALL)
    two.settle()
    move(two, "0", "common")
    two.engine.vms.resume("one", CALL)
    two.settle()
    assert two.state("one") == "RUNNING"
    two.assert_sound()
    with pytest.raises(ConflictError) as refused:
        two.engine.vms.disk_move("one", "0", "disks-only", CALL)
    assert "an image goes to one of type image" in refused.value.cause


def test_a_disk_of_its_own_goes_to_a_system_datastore_and_a_new_one_is_made_anew_where_its_image_is(two: Sim) -> None:
    two.add_vm("one", DISK=DISKS)
    for disk in ("0", "1"):
        move(two, disk, "disks-only")
    with pytest.raises(ConflictError, match="is in use"):
        two.engine.datastores.remove("disks-only", CALL)
    two.engine.vms.recover("one", "recreate", CALL)
    two.settle()
    assert two.state("one") == "RUNNING"
    base = f"{two.image('base').uuid}.qcow2"
    assert files(two) == {("disk.0", store(two, "disks"), base), ("disk.1", store(two, "disks-only"), "")}
    assert not disk_of(two).whole
    two.assert_sound()


def test_what_cannot_be_moved_is_refused_with_the_reason(two: Sim) -> None:
    two.add_image("disc", type="cdrom")
    two.add_vm("one", DISK=[*DISKS, {"IMAGE": "disc"}, {"SIZE": 8, "FORMAT": "raw", "SHAREABLE": "YES"}])
    two.engine.vms.update("one", {"SCHED_DS_REQUIREMENTS": 'NAME != "pool"'}, CALL)
    two.engine.datastores.create({"name": "vault", "type": "backup", "driver": "sim"}, CALL)
    two.engine.clusters.create("far", CALL)
    two.engine.datastores.create({"name": "away", "driver": "sim", "cluster": "far"}, CALL)
    two.engine.datastores.create({"name": "twin", "driver": "ssh"}, CALL)
    two.settle()
    for disk, datastore, why in (
        ("vda", "disks", "in datastore disks already"),
        ("vda", "vault", "is of type backup"),
        ("vda", "pool", "NAME"),
        ("vda", "away", "in another cluster"),
        ("vda", "twin", "cannot use datastore twin"),
        ("2", "common", "it is a CD"),
        ("3", "common", "other VMs may write to it"),
    ):
        with pytest.raises(ConflictError) as refused:
            two.engine.vms.disk_move("one", disk, datastore, CALL)
        assert why in refused.value.cause, refused.value
    with pytest.raises(NotFoundError):
        two.engine.vms.disk_move("one", "9", "common", CALL)
    would = two.engine.vms.disk_move("one", "vda", "common", DRY).would
    assert would == (f"disk-move VM one ({two.vm('one').id}): RUNNING to RUNNING",)
    two.engine.vms.disk_snapshot_create("one", "vda", "clean", CALL)
    two.settle()
    with pytest.raises(ConflictError, match="cannot be moved") as refused:
        two.engine.vms.disk_move("one", "vda", "common", CALL)
    assert "it has 1 snapshots" in refused.value.cause
    two.engine.vms.suspend("one", CALL)
    two.settle()
    with pytest.raises(WrongStateError):
        two.engine.vms.disk_move("one", "1", "common", CALL)
    two.assert_sound()


def test_who_only_manages_a_vm_moves_no_disk(two: Sim) -> None:
    two.add_vm("one", DISK=DISKS)
    two.engine.vms.chown("one", "nobody", CALL)
    with pytest.raises(DeniedError):
        two.engine.seen_by("nobody").vms.disk_move("one", "0", "common", Call(actor="nobody"))


def test_room_is_taken_from_the_moment_that_it_is_asked_for(two: Sim) -> None:
    two.add_image("large", size=64 << 20, format="raw")
    for name in ("one", "other"):
        two.add_vm(name, DISK=[{"IMAGE": "large"}])
    common = two.rows(DatastoreRow, '"name"=?', ("common",))[0]
    measured = {"space": {"1": [200, 100, 100]}, "shared": True}
    two.engine.services.store.write(lambda tx: tx.swap(common, body={**common.body, **measured}))
    two.world.set("mirror_seconds", 1000)
    two.engine.vms.disk_move("one", "0", "common", CALL)
    with pytest.raises(CapacityError, match="has no room") as refused:
        two.engine.vms.disk_move("other", "0", "common", CALL)
    assert "36 MiB of 200 free, 64 MiB needed" in refused.value.cause
    until(lambda: two.world.db.all("SELECT 1 FROM mirrors"), "the copy")
    two.world.advance(1000)
    two.settle()
    assert disk_of(two).datastore_id == common.id
    two.world.set("mirror_seconds", 0)
    two.engine.vms.disk_move("other", "0", "common", CALL)
    two.settle()


def test_a_move_is_cancelled_in_the_middle_and_the_guest_goes_on_where_it_was(two: Sim) -> None:
    two.add_vm("one", DISK=DISKS)
    two.world.set("mirror_seconds", 1000)
    job = two.engine.vms.disk_move("one", "vda", "common", CALL).job_id
    until(lambda: two.world.db.all("SELECT 1 FROM mirrors"), "the copy")
    assert two.state("one") == "HOTPLUG"
    two.world.advance(500)
    until(lambda: two.rows(JobRow, '"id"=?', (job,))[0].done > 0, "its progress")
    two.engine.jobs.cancel(job, CALL)
    two.settle()
    assert two.rows(JobRow, '"id"=?', (job,))[0].state == "cancelled"
    assert (two.state("one"), disk_of(two).datastore_id, disk_of(two).whole) == ("RUNNING", store(two, "disks"), False)
    assert {number for _, number, _ in files(two)} == {store(two, "disks")}
    two.assert_sound()


def test_the_next_engine_follows_the_copy(two: Sim) -> None:
    two.add_vm("one", DISK=DISKS)
    two.world.set("mirror_seconds", 1000)
    two.engine.vms.disk_move("one", "vda", "common", CALL)
    until(lambda: two.world.db.all("SELECT 1 FROM mirrors"), "the copy")
    two.restart()
    two.world.advance(1000)
    two.settle()
    assert disk_of(two).datastore_id == store(two, "common")
    assert two.world.db.all("SELECT 1 FROM mirrors") == []
    two.assert_sound()


def test_a_guest_that_ends_in_the_middle_keeps_its_disk(two: Sim) -> None:
    two.add_vm("one", DISK=DISKS)
    two.world.set("mirror_seconds", 1000)
    two.engine.vms.disk_move("one", "vda", "common", CALL)
    until(lambda: two.world.db.all("SELECT 1 FROM mirrors"), "the copy")
    two.world.virsh(two.where("one"), "destroy", two.vm("one").uuid)
    two.settle()
    until(lambda: two.state("one") == "POWEROFF", "its end")
    assert disk_of(two).datastore_id == store(two, "disks")
    two.assert_sound()


def test_the_next_backup_is_a_full_one(two: Sim) -> None:
    two.engine.datastores.create({"name": "vault", "type": "backup", "driver": "sim"}, CALL)
    two.add_vm("one", DISK=[DISKS[0]])
    two.engine.vms.backup("one", CALL)
    two.settle()
    move(two, "vda", "common")
    two.engine.vms.backup("one", CALL)
    two.settle()
    (last,) = two.rows(BackupRow, '"id"=2')
    assert [len(disk["files"]) for disk in last.body["disks"]] == [1], "it builds on none"
    two.assert_sound()


def test_a_vm_all_of_whose_disks_left_migrates_with_its_cd(two: Sim) -> None:
    two.add_vm("one", HOST="h1", DISK=DISKS[:1])
    move(two, "vda", "common")
    two.engine.vms.migrate("one", "h2", CALL, live=True)
    two.settle()
    assert two.engine.vms.show("one").body["host"] == "h2"
    pool, home = two.engine.services.pool, two.rows(DatastoreRow, "\"name\"='disks'")[0]
    places = {name: pool.datastore(home).context_path(pool.handle(two.host(name)), two.vm("one").id) for name in ("h1", "h2")}
    assert {name for name, path in places.items() if on_host(two, name, path)} == {"h2"}


def on_host(sim: Sim, host: str, path: str) -> bool:
    return bool(sim.world.db.all("SELECT 1 FROM files WHERE scope=? AND path=?", place(host, path).scope, path))

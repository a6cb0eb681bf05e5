"""What every datastore driver promises, as tests: subclass `DatastoreContract` and give it the fixture `lab`.

class TestMine(DatastoreContract):
    @pytest.fixture
    def lab(self) -> Iterator[DatastoreLab]: ...
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from nebula.cancel import CancelToken
from nebula.drivers.base import Datastore, HostHandle, KeepsSnapshots
from nebula.errors import CommandError, ConflictError, InterruptedByUser, NebulaError, NotFoundError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec

MIB = 1 << 20
SIZE = 8 * MIB
ISO = b"\0" * 32768 + b"\x01CD001" + b"\0" * 2042


@dataclass(frozen=True)
class DatastoreLab:
    """A datastore with two hosts. `stage(host, image)` puts a whole, honest file of the image where an upload would; while
    `holding(host, disk)` lasts, somebody on the host has the disk open to write to it. `lying` names whatever is there on
    either host: images, disks, halves of them, files, what long commands left.
    """

    datastore: Datastore
    source: HostHandle
    target: HostHandle
    stage: Callable[[HostHandle, ImageSpec], str]
    holding: Callable[[HostHandle, DiskSpec], AbstractContextManager[None]]
    lying: Callable[[], list[str]] = list


def os_image(image_id: int = 1, **more: object) -> ImageSpec:
    values = {"image_id": image_id, "uuid": f"00000000-0000-4000-8000-{image_id:012d}", "format": "qcow2", "size": SIZE}
    return ImageSpec(**(values | more))  # type: ignore[arg-type]


def clone_of(image: ImageSpec, vm_id: int = 7, size: int = 0) -> DiskSpec:
    return DiskSpec(vm_id=vm_id, disk_id=0, kind="clone", format=image.format, size=size, image=image)


def volatile(vm_id: int = 7, disk_id: int = 1, **more: object) -> DiskSpec:
    values = {"vm_id": vm_id, "disk_id": disk_id, "kind": "volatile", "format": "raw", "size": SIZE}
    return DiskSpec(**(values | more))  # type: ignore[arg-type]


def kept_as(lab: DatastoreLab, format_: str) -> str:
    """The format in which the datastore keeps what comes in that format."""
    formats = lab.datastore.capabilities.formats
    return format_ if format_ in formats else formats[0]


def take_in(lab: DatastoreLab, image: ImageSpec) -> ImageSpec:
    staged = lab.stage(lab.source, image)
    lab.datastore.take_in(lab.source, image, staged, job="1-take", progress=None, cancel=None)
    return image


def create(lab: DatastoreLab, disk: DiskSpec, cancel: CancelToken | None = None) -> None:
    lab.datastore.create_disk(lab.source, disk, job="2-disks", progress=None, cancel=cancel)


class DatastoreContract:
    """The suite. Everything is done twice where a crash might make an engine do it twice."""

    def test_an_image_that_was_taken_in_is_there_and_can_be_taken_in_again(self, lab: DatastoreLab) -> None:
        image = os_image()
        assert not lab.datastore.has_image(lab.source, image)
        staged = lab.stage(lab.source, image)
        for _ in range(2):
            lab.datastore.take_in(lab.source, image, staged, job="1-take", progress=None, cancel=None)
            assert lab.datastore.has_image(lab.source, image)
        assert image.uuid in lab.datastore.image_path(lab.source, image)

    @pytest.mark.parametrize("format_", ["qcow2", "raw"])
    def test_a_staged_image_is_found_to_be_what_it_is(self, lab: DatastoreLab, format_: str) -> None:
        staged = lab.stage(lab.source, os_image(format=format_))
        probe = lab.datastore.probe(lab.source, staged, format_)
        assert (probe.format, probe.virtual_size) == (format_, SIZE)

    def test_an_empty_image_is_made_once(self, lab: DatastoreLab) -> None:
        block = os_image(2, type="datablock")
        for _ in range(2):
            lab.datastore.create_empty(lab.source, block)
            assert lab.datastore.has_image(lab.source, block)

    def test_a_file_for_context_cds_is_read_as_it_is(self, lab: DatastoreLab) -> None:
        image = os_image(format="raw", type="context", size=512)
        path = lab.datastore.staging_path(lab.source, image)
        lab.source.transport.write_file(path, b"#!/bin/sh\n\xff\0", root=True)
        lab.datastore.take_in(lab.source, image, path, job="1-take", progress=None, cancel=None)
        for _ in range(2):
            assert lab.datastore.read_image(lab.source, image, 100) == b"#!/bin/sh\n\xff\0"
        with pytest.raises(CommandError):
            lab.datastore.read_image(lab.source, image, 5)
        with pytest.raises(NotFoundError):
            lab.datastore.read_image(lab.source, os_image(9, format="raw", type="context"), 100)

    def test_a_file_comes_to_the_other_host_as_it_is(self, lab: DatastoreLab) -> None:
        """Where images are plain files, a kernel does: QEMU opens it by its path."""
        plain = lab.datastore.capabilities.plain_files
        image = os_image(format="raw", type="kernel" if plain else "context", size=11)
        path = lab.datastore.staging_path(lab.source, image)
        lab.source.transport.write_file(path, b"a kernel\xff\0\n", root=True)
        lab.datastore.take_in(lab.source, image, path, job="1-take", progress=None, cancel=None)
        lab.datastore.copy_image(lab.source, lab.target, image, job="3-copy", progress=None, cancel=None)
        there = lab.datastore.image_path(lab.target, image)
        read = lab.target.transport.read_file(there, limit=100, root=True) if plain else b""
        assert (read or lab.datastore.read_image(lab.target, image, 100)) == b"a kernel\xff\0\n"

    def test_removing_an_image_twice_is_fine(self, lab: DatastoreLab) -> None:
        image = take_in(lab, os_image())
        for _ in range(2):
            lab.datastore.remove_image(lab.source, image)
            assert not lab.datastore.has_image(lab.source, image)

    def test_an_image_reaches_the_other_host(self, lab: DatastoreLab) -> None:
        image = take_in(lab, os_image())
        for _ in range(2):
            lab.datastore.copy_image(lab.source, lab.target, image, job="3-copy", progress=None, cancel=None)
            assert lab.datastore.has_image(lab.target, image)

    @pytest.mark.parametrize("format_", ["qcow2", "raw"])
    def test_an_image_is_copied_to_another_one(self, lab: DatastoreLab, format_: str) -> None:
        image, copy = take_in(lab, os_image(format=format_)), os_image(5, format=format_)
        for _ in range(2):
            lab.datastore.clone_image(lab.source, image, copy, job="6-clone", progress=None, cancel=None)
            assert lab.datastore.has_image(lab.source, copy)
        form = kept_as(lab, format_)
        probe = lab.datastore.probe(lab.source, lab.datastore.image_path(lab.source, copy), form)
        assert (probe.format, probe.virtual_size) == (form, SIZE)
        lab.datastore.remove_image(lab.source, image)
        assert lab.datastore.has_image(lab.source, copy)
        with pytest.raises(NotFoundError):
            lab.datastore.clone_image(lab.source, os_image(98), os_image(99), job="7-clone", progress=None, cancel=None)
        assert not lab.datastore.has_image(lab.source, os_image(99))

    def test_a_clone_has_a_file_of_its_own_and_makes_its_vm_known(self, lab: DatastoreLab) -> None:
        disk = clone_of(take_in(lab, os_image()))
        assert lab.datastore.vm_ids(lab.source) == []
        for _ in range(2):
            create(lab, disk)
        assert lab.datastore.disk_path(lab.source, disk) != lab.datastore.image_path(lab.source, os_image())
        assert lab.datastore.vm_ids(lab.source) == [7]

    def test_a_vm_that_is_gone_is_forgotten_by_its_number(self, lab: DatastoreLab) -> None:
        image = take_in(lab, os_image())
        for number in (7, 77):
            create(lab, clone_of(image, vm_id=number))
        for _ in range(2):
            lab.datastore.forget_vm(lab.source, 7)
            assert lab.datastore.vm_ids(lab.source) == [77]
        assert lab.datastore.has_disk(lab.source, clone_of(image, vm_id=77))
        assert lab.datastore.has_image(lab.source, image)
        lab.datastore.forget_vm(lab.source, 77)
        assert lab.datastore.vm_ids(lab.source) == []

    def test_a_clone_may_be_larger_than_its_image_but_not_smaller(self, lab: DatastoreLab) -> None:
        image = take_in(lab, os_image())
        create(lab, clone_of(image, size=SIZE * 2))
        with pytest.raises(UsageError):
            create(lab, clone_of(image, vm_id=8, size=SIZE // 2))

    @pytest.mark.parametrize("kind", ["clone", "persistent", "cdrom"])
    def test_a_disk_of_a_missing_image_is_refused(self, lab: DatastoreLab, kind: str) -> None:
        with pytest.raises(NotFoundError):
            create(lab, DiskSpec(vm_id=7, disk_id=0, kind=kind, image=os_image(99)))  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", ["persistent", "cdrom"])
    def test_a_disk_that_is_the_image_itself_has_its_path(self, lab: DatastoreLab, kind: str) -> None:
        image = take_in(lab, os_image(persistent=kind == "persistent"))
        disk = DiskSpec(vm_id=7, disk_id=0, kind=kind, format=image.format, image=image)  # type: ignore[arg-type]
        create(lab, disk)
        assert lab.datastore.disk_path(lab.source, disk) == lab.datastore.image_path(lab.source, image)

    def test_a_volatile_disk_is_made_at_the_size_asked_for(self, lab: DatastoreLab) -> None:
        create(lab, volatile())
        probe = lab.datastore.probe(lab.source, lab.datastore.disk_path(lab.source, volatile()), "raw")
        assert probe.virtual_size == SIZE

    def test_a_cancelled_disk_is_not_made(self, lab: DatastoreLab) -> None:
        token = CancelToken()
        token.set("cancelled by a test")
        image = take_in(lab, os_image(format="raw"))
        with pytest.raises(InterruptedByUser):
            create(lab, clone_of(image), token)
        create(lab, clone_of(image))

    def test_a_removed_vm_leaves_nothing_but_its_persistent_image(self, lab: DatastoreLab) -> None:
        image, kept = take_in(lab, os_image()), take_in(lab, os_image(2, persistent=True))
        disks = [clone_of(image), DiskSpec(vm_id=7, disk_id=2, kind="persistent", image=kept)]
        for disk in disks:
            create(lab, disk)
        lab.datastore.write_context(lab.source, 7, ISO)
        for _ in range(2):
            lab.datastore.remove_vm(lab.source, 7, disks)
            assert lab.datastore.vm_ids(lab.source) == []
        assert lab.datastore.has_image(lab.source, kept)
        assert lab.datastore.has_image(lab.source, image)

    def test_a_stopped_vm_can_be_moved_and_the_source_keeps_its_files(self, lab: DatastoreLab) -> None:
        disks = [clone_of(take_in(lab, os_image())), volatile()]
        for disk in disks:
            create(lab, disk)
        lab.datastore.write_context(lab.source, 7, ISO)
        lab.datastore.copy_image(lab.source, lab.target, os_image(), job="4-image", progress=None, cancel=None)
        for _ in range(2):
            lab.datastore.move_vm(lab.source, lab.target, 7, disks, job="4-move", progress=None, cancel=None)
            assert lab.datastore.vm_ids(lab.source) == [7]
            assert lab.datastore.vm_ids(lab.target) == [7]

    def test_a_moved_vm_outlives_the_removal_of_what_is_stale(self, lab: DatastoreLab) -> None:
        kept = take_in(lab, os_image(2, persistent=True))
        disks = [DiskSpec(vm_id=7, disk_id=0, kind="persistent", image=kept), volatile()]
        create(lab, disks[1])
        lab.datastore.move_vm(lab.source, lab.target, 7, disks, job="4-move", progress=None, cancel=None)
        lab.datastore.remove_vm(lab.source, 7, disks, keep_persistent=False)
        assert lab.datastore.has_image(lab.target, kept)
        assert lab.datastore.vm_ids(lab.target) == [7]

    def test_a_live_migration_finds_disks_at_the_target(self, lab: DatastoreLab) -> None:
        disks = [clone_of(take_in(lab, os_image())), volatile()]
        for disk in disks:
            create(lab, disk)
        lab.datastore.write_context(lab.source, 7, ISO)
        lab.datastore.copy_image(lab.source, lab.target, os_image(), job="5-image", progress=None, cancel=None)
        for _ in range(2):
            lab.datastore.prepare_incoming(lab.target, disks, ISO)
        assert lab.datastore.vm_ids(lab.target) == [7]

    def test_a_disk_that_was_made_ready_can_be_opened_and_on_no_other_host_where_that_is_said(self, lab: DatastoreLab) -> None:
        can, disk = lab.datastore.capabilities, volatile(format=kept_as(lab, "qcow2"))
        create(lab, disk)
        for _ in range(2):
            lab.datastore.activate(lab.source, disk)
            with lab.holding(lab.source, disk):
                pass
        if can.turns:
            with pytest.raises(ConflictError):
                lab.datastore.activate(lab.target, disk)
        lab.datastore.remove_disk(lab.source, disk)
        if can.activates and not can.attached:
            with pytest.raises(NotFoundError):
                lab.datastore.activate(lab.source, disk)

    def test_a_disk_is_free_while_nobody_has_it_open(self, lab: DatastoreLab) -> None:
        disk = volatile(format=kept_as(lab, "qcow2"))
        create(lab, disk)
        lab.datastore.require_unused(lab.source, disk)
        with lab.holding(lab.source, disk):
            if not lab.datastore.capabilities.exclusive:  # elsewhere QEMU refuses a second one
                with pytest.raises(ConflictError, match="two writers"):
                    lab.datastore.require_unused(lab.source, disk)
        lab.datastore.require_unused(lab.source, disk)

    def test_memory_is_kept_beside_the_disks(self, lab: DatastoreLab) -> None:
        create(lab, volatile())
        path = lab.datastore.memory_path(lab.source, 7)
        assert path.rpartition("/")[0] == lab.datastore.context_path(lab.source, 7).rpartition("/")[0]
        for _ in range(2):
            lab.datastore.remove_memory(lab.source, 7)
        assert lab.datastore.vm_ids(lab.source) == [7]

    @pytest.mark.parametrize("form", ["raw", "qcow2"])
    def test_a_disk_grows_and_one_of_the_vms_own_goes(self, lab: DatastoreLab, form: str) -> None:
        disk = volatile(format=form)
        create(lab, disk)
        path = lab.datastore.disk_path(lab.source, disk)
        for size in (2 * SIZE, 2 * SIZE, SIZE):
            lab.datastore.resize_disk(lab.source, disk, size)
            assert lab.datastore.probe(lab.source, path, form).virtual_size == 2 * SIZE
        kept = DiskSpec(vm_id=7, disk_id=2, kind="persistent", image=take_in(lab, os_image(2, persistent=True)))
        for _ in range(2):
            lab.datastore.remove_disk(lab.source, disk)
            lab.datastore.remove_disk(lab.source, kept)
        create(lab, disk)
        assert lab.datastore.probe(lab.source, path, form).virtual_size == SIZE
        assert kept.image is not None
        assert lab.datastore.has_image(lab.source, kept.image)

    def test_a_disk_is_copied_out_and_put_back(self, lab: DatastoreLab) -> None:
        assert lab.datastore.capabilities.backups
        disk = clone_of(take_in(lab, os_image()))
        create(lab, disk)
        how: dict[str, Any] = {"job": "10-out", "progress": None, "cancel": None}
        for _ in range(2):
            lab.datastore.make_scratch(lab.source, "vm-7")
        path = f"{lab.datastore.scratch_path(lab.source, 'vm-7')}/disk.0.0"
        for _ in range(2):
            lab.datastore.copy_out(lab.source, disk, path, **how)
        filled = os_image(3, persistent=True)
        for _ in range(2):
            lab.datastore.fill_image(lab.source, filled, path, **how)
            assert lab.datastore.has_image(lab.source, filled)
        for _ in range(2):
            lab.datastore.restore_disk(lab.source, disk, path, **how)
            lab.datastore.discard_restored(lab.source, disk)
        lab.datastore.restore_disk(lab.source, disk, path, **how)
        for _ in range(2):
            lab.datastore.replace_disk(lab.source, disk)
        where = lab.datastore.image_path(lab.source, filled)
        assert lab.datastore.probe(lab.source, where, kept_as(lab, "qcow2")).virtual_size == SIZE
        for _ in range(2):
            lab.datastore.remove_scratch(lab.source, "vm-7")

    def test_a_disk_is_made_of_what_another_datastore_copied_out(self, lab: DatastoreLab) -> None:
        how: dict[str, Any] = {"job": "11-fill", "progress": None, "cancel": None}
        origin = clone_of(take_in(lab, os_image()))
        create(lab, origin)
        made = (
            volatile(8, 3, format=kept_as(lab, "qcow2")),
            DiskSpec(vm_id=8, disk_id=4, kind="persistent", image=os_image(4, persistent=True, format=kept_as(lab, "raw"))),
        )
        for disk in made:
            assert not lab.datastore.has_disk(lab.source, disk)
            lab.datastore.make_scratch(lab.source, "move-1")
            path = f"{lab.datastore.scratch_path(lab.source, 'move-1')}/disk"
            lab.datastore.copy_out(lab.source, origin, path, **how)
            for _ in range(2):
                lab.datastore.fill_disk(lab.source, disk, path, **how)
                assert lab.datastore.has_disk(lab.source, disk)
            form = disk.image.format if disk.image is not None else disk.format
            where = lab.datastore.disk_path(lab.source, disk)
            assert lab.datastore.probe(lab.source, where, form).virtual_size == SIZE
            lab.datastore.remove_scratch(lab.source, "move-1")
        lab.datastore.remove_disk(lab.source, made[0])
        assert not lab.datastore.has_disk(lab.source, made[0])
        assert lab.datastore.has_disk(lab.source, origin)

    def test_space_adds_up(self, lab: DatastoreLab) -> None:
        usage = lab.datastore.usage(lab.source)
        assert 0 <= usage.used <= usage.total
        assert 0 <= usage.free <= usage.total

    def test_a_sound_host_passes_the_check(self, lab: DatastoreLab) -> None:
        assert [finding for finding in lab.datastore.check(lab.source) if finding.level == "error"] == []

    def test_capabilities_are_declared(self, lab: DatastoreLab) -> None:
        assert "raw" in lab.datastore.capabilities.formats or "qcow2" in lab.datastore.capabilities.formats


class LayersContract:
    """Of drivers whose disks can have layers."""

    def test_layers_are_made_rebased_moved_and_removed(self, lab: DatastoreLab) -> None:
        assert lab.datastore.capabilities.snapshots
        made = clone_of(take_in(lab, os_image()))
        create(lab, made)
        for _ in range(2):
            lab.datastore.add_layer(lab.source, made, 1, 0)
            lab.datastore.add_layer(lab.source, made, 2, 1)
        disk = replace(made, layer=2, below=1, frozen=(0, 1))
        assert lab.datastore.disk_path(lab.source, disk) == lab.datastore.layer_path(lab.source, disk, 2)
        assert len({lab.datastore.layer_path(lab.source, disk, layer) for layer in (0, 1, 2)}) == 3
        for _ in range(2):
            lab.datastore.rebase_layer(lab.source, disk, 2, 0, job="7-merge", progress=None, cancel=None)
        for _ in range(2):
            lab.datastore.remove_layers(lab.source, disk, [1])
        disk = replace(disk, below=0, frozen=(0,))
        lab.datastore.copy_image(lab.source, lab.target, os_image(), job="4-image", progress=None, cancel=None)
        for _ in range(2):
            lab.datastore.copy_layers(lab.source, lab.target, [disk], job="8-layers", progress=None, cancel=None)
            lab.datastore.prepare_incoming(lab.target, [disk], None)
        for _ in range(2):
            lab.datastore.move_vm(lab.source, lab.target, 7, [disk], job="9-move", progress=None, cancel=None)
        lab.datastore.rebase_layer(lab.source, disk, 2, -1, job="9-merge", progress=None, cancel=None)
        lab.datastore.remove_layers(lab.source, disk, [0])
        lab.datastore.remove_vm(lab.source, 7, [replace(disk, below=-1, frozen=())])
        assert lab.datastore.vm_ids(lab.source) == []


class InnerSnapshotsContract:
    """Of drivers whose disks keep snapshots within themselves; a disk's size tells which one it went back to."""

    def test_a_disk_goes_back_to_any_of_its_snapshots(self, lab: DatastoreLab) -> None:
        assert lab.datastore.capabilities.inner_snapshots
        keeper: KeepsSnapshots = lab.datastore  # type: ignore[assignment]
        image, disk = take_in(lab, os_image()), clone_of(os_image(), size=2 * SIZE)
        create(lab, disk)
        for number in (1, 2):
            for _ in range(2):
                keeper.take_snapshot(lab.source, disk, number)
            lab.datastore.resize_disk(lab.source, disk, SIZE * 2 * (number + 1))
        path = lab.datastore.disk_path(lab.source, disk)
        how: dict[str, Any] = {"job": "11-back", "progress": None, "cancel": None}
        with lab.holding(lab.source, disk), pytest.raises(ConflictError):
            keeper.go_back(lab.source, disk, 1, **how)
        for number in (1, 1, 2, 1):
            keeper.go_back(lab.source, disk, number, **how)
            assert lab.datastore.probe(lab.source, path).virtual_size == SIZE * 2 * number
        saved = os_image(6, size=SIZE * 4)
        lab.datastore.save_disk(lab.source, disk, 2, saved, **how)
        assert lab.datastore.has_image(lab.source, saved)
        for _ in range(2):
            keeper.remove_snapshot(lab.source, disk, 1)
        with pytest.raises(NebulaError):
            keeper.go_back(lab.source, disk, 1, **(how | {"job": "12-back"}))
        lab.datastore.remove_vm(lab.source, 7, [disk])
        lab.datastore.remove_image(lab.source, image)
        assert lab.datastore.vm_ids(lab.source) == []
        assert not lab.datastore.has_image(lab.source, image)

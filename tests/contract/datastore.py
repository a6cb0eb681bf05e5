"""What every datastore driver promises, as tests: subclass `DatastoreContract` and give it the fixture `lab`.

class TestMine(DatastoreContract):
    @pytest.fixture
    def lab(self) -> Iterator[DatastoreLab]: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.base import Datastore, HostHandle
from nebula.errors import InterruptedByUser, NotFoundError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec

MIB = 1 << 20
SIZE = 8 * MIB
ISO = b"\0" * 32768 + b"\x01CD001" + b"\0" * 2042


@dataclass(frozen=True)
class DatastoreLab:
    """A datastore with two hosts. `stage(host, image)` puts a whole, honest file of the image where an upload would."""

    datastore: Datastore
    source: HostHandle
    target: HostHandle
    stage: Callable[[HostHandle, ImageSpec], str]


def os_image(image_id: int = 1, **more: object) -> ImageSpec:
    values = {"image_id": image_id, "uuid": f"00000000-0000-4000-8000-{image_id:012d}", "format": "qcow2", "size": SIZE}
    return ImageSpec(**(values | more))  # type: ignore[arg-type]


def clone_of(image: ImageSpec, vm_id: int = 7, size: int = 0) -> DiskSpec:
    return DiskSpec(vm_id=vm_id, disk_id=0, kind="clone", format=image.format, size=size, image=image)


def volatile(vm_id: int = 7, disk_id: int = 1, **more: object) -> DiskSpec:
    values = {"vm_id": vm_id, "disk_id": disk_id, "kind": "volatile", "format": "raw", "size": SIZE}
    return DiskSpec(**(values | more))  # type: ignore[arg-type]


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

    def test_a_clone_has_a_file_of_its_own_and_makes_its_vm_known(self, lab: DatastoreLab) -> None:
        disk = clone_of(take_in(lab, os_image()))
        assert lab.datastore.vm_ids(lab.source) == []
        for _ in range(2):
            create(lab, disk)
        assert lab.datastore.disk_path(lab.source, disk) != lab.datastore.image_path(lab.source, os_image())
        assert lab.datastore.vm_ids(lab.source) == [7]

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
            lab.datastore.move_vm(lab.source, lab.target, disks, job="4-move", progress=None, cancel=None)
            assert lab.datastore.vm_ids(lab.source) == [7]
            assert lab.datastore.vm_ids(lab.target) == [7]

    def test_a_moved_vm_outlives_the_removal_of_what_is_stale(self, lab: DatastoreLab) -> None:
        kept = take_in(lab, os_image(2, persistent=True))
        disks = [DiskSpec(vm_id=7, disk_id=0, kind="persistent", image=kept), volatile()]
        create(lab, disks[1])
        lab.datastore.move_vm(lab.source, lab.target, disks, job="4-move", progress=None, cancel=None)
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

    def test_space_adds_up(self, lab: DatastoreLab) -> None:
        usage = lab.datastore.usage(lab.source)
        assert 0 <= usage.used <= usage.total
        assert 0 <= usage.free <= usage.total

    def test_a_sound_host_passes_the_check(self, lab: DatastoreLab) -> None:
        assert [finding for finding in lab.datastore.check(lab.source) if finding.level == "error"] == []

    def test_capabilities_are_declared(self, lab: DatastoreLab) -> None:
        assert "raw" in lab.datastore.capabilities.formats or "qcow2" in lab.datastore.capabilities.formats

"""What every driver of LUNs promises: subclass `LunContract` and give it the fixture `luns`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lun import LunDatastore
from nebula.errors import CapacityError, ConflictError, NotFoundError, UnreachableError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec
from tests.contract.cuts import Cut
from tests.contract.datastore import ISO, MIB, SIZE, clone_of, os_image, volatile

HOW: dict[str, Any] = {"job": "1-lun", "progress": None, "cancel": None}


@dataclass(frozen=True)
class LunLab:
    """A LUN of SIZE that two hosts see, and the name of one that there is not. `grow` makes the LUN so many bytes large; while
    `holding(host)` lasts, a domain on the host that is not ours has it.
    """

    datastore: LunDatastore
    source: HostHandle
    target: HostHandle
    lun: str
    none: str
    grow: Callable[[int], None]
    holding: Callable[[HostHandle], AbstractContextManager[None]]


def image_of(luns: LunLab, **more: Any) -> ImageSpec:
    return os_image(format="raw", persistent=True, source=luns.lun, **more)


def disk_of(luns: LunLab, **more: Any) -> DiskSpec:
    return DiskSpec(vm_id=7, disk_id=0, kind="persistent", format="raw", image=image_of(luns, **more))


def stage(luns: LunLab, size: int = SIZE) -> str:
    """A qcow2 file with some data where an upload would lie."""
    path = luns.datastore.staging_path(luns.source, image_of(luns))
    luns.source.transport.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], root=True)
    luns.source.transport.run(["qemu-io", "-f", "qcow2", "-c", "write -P 65 1M 64k", path], root=True)
    return path


class LunContract:
    """The suite. Everything is done twice where a crash might make an engine do it twice."""

    def test_a_lun_is_seen_on_both_hosts_as_large_as_it_is(self, luns: LunLab) -> None:
        image = image_of(luns)
        for host in (luns.source, luns.target):
            assert luns.datastore.has_image(host, image)
            seen = luns.datastore.probe(host, luns.datastore.image_path(host, image))
            assert (seen.format, seen.virtual_size) == ("raw", SIZE)
            assert seen.identity
        luns.datastore.copy_image(luns.source, luns.target, image, **HOW)

    def test_a_lun_that_is_not_there_is_told_of(self, luns: LunLab) -> None:
        gone = replace(image_of(luns), source=luns.none)
        assert not luns.datastore.has_image(luns.source, gone)
        with pytest.raises(NotFoundError, match=luns.source.name):
            luns.datastore.create_disk(luns.source, replace(disk_of(luns), image=gone), **HOW)
        with pytest.raises(NotFoundError):
            luns.datastore.prepare_incoming(luns.target, [replace(disk_of(luns), image=gone)], ISO)

    def test_an_image_is_written_into_a_lun_and_a_lun_copied_to_a_file(self, luns: LunLab) -> None:
        original = f"{luns.source.root}/original.qcow2"
        for _ in range(2):
            staged = stage(luns)
            luns.source.transport.run(["cp", staged, original], root=True)
            luns.datastore.take_in(luns.source, image_of(luns), staged, **HOW)
        assert luns.source.transport.run(["ls", staged], root=True, check=False).status
        out = f"{luns.source.root}/out.qcow2"
        for _ in range(2):
            luns.datastore.copy_out(luns.source, disk_of(luns), out, **HOW)
        luns.source.transport.run(["qemu-img", "compare", original, out], root=True)
        luns.source.transport.run(["rm", original, out], root=True)

    def test_an_image_that_is_too_large_is_refused_and_the_lun_is_as_it_was(self, luns: LunLab) -> None:
        staged = stage(luns, SIZE * 2)
        with pytest.raises(CapacityError, match="too few"):
            luns.datastore.take_in(luns.source, image_of(luns), staged, **HOW)
        for _ in range(2):
            luns.datastore.remove_image(luns.source, image_of(luns))
        assert luns.datastore.has_image(luns.source, image_of(luns))

    def test_nothing_is_made_cloned_or_restored(self, luns: LunLab) -> None:
        store, host, image, disk = luns.datastore, luns.source, image_of(luns), disk_of(luns)
        attempts: list[Callable[[], object]] = [
            lambda: store.create_empty(host, image),
            lambda: store.clone_image(host, image, os_image(2), **HOW),
            lambda: store.save_disk(host, disk, 0, os_image(2), **HOW),
            lambda: store.fill_image(host, image, "/x", **HOW),
            lambda: store.restore_disk(host, disk, "/x", **HOW),
            lambda: store.add_layer(host, disk, 1, 0),
            lambda: store.create_disk(host, clone_of(image), **HOW),
            lambda: store.create_disk(host, volatile(), **HOW),
        ]
        for attempt in attempts:
            with pytest.raises(UsageError, match="datastore of LUNs"):
                attempt()

    def test_a_vm_comes_and_goes_and_the_lun_stays(self, luns: LunLab) -> None:
        store, disk = luns.datastore, disk_of(luns)
        for _ in range(2):
            store.create_disk(luns.source, disk, **HOW)
            store.write_context(luns.source, 7, ISO)
            store.prepare_incoming(luns.target, [disk], ISO)
        assert store.disk_path(luns.source, disk) == store.image_path(luns.target, image_of(luns))
        store.move_vm(luns.source, luns.target, 7, [disk], **HOW)
        for host in (luns.source, luns.target):
            assert store.vm_ids(host) == [7]
            for _ in range(2):
                store.remove_disk(host, disk)
                store.remove_vm(host, 7, [disk], keep_persistent=False)
            assert store.vm_ids(host) == []
        assert store.has_image(luns.source, image_of(luns))

    def test_what_was_cut_at_each_errand_is_done_in_the_end(self, luns: LunLab) -> None:
        """The connections to the hosts break: while a LUN is written, copied to a file, and its VM migrated live and cold.
        What is written into it is brought anew each time.
        """
        out, original = f"{luns.source.root}/out.qcow2", f"{luns.source.root}/original.qcow2"
        luns.source.transport.run(["cp", stage(luns), original], root=True)
        cut_again(luns, lambda lab: lab.datastore.take_in(lab.source, image_of(luns), stage(luns), **HOW))
        cut_again(luns, lambda lab: lab.datastore.copy_out(lab.source, disk_of(luns), out, **HOW))
        luns.source.transport.run(["qemu-img", "compare", original, out], root=True)
        luns.source.transport.run(["rm", original, out], root=True)
        cut_again(luns, lambda lab: lab.datastore.create_disk(lab.source, disk_of(luns), **HOW))
        cut_again(luns, lambda lab: lab.datastore.write_context(lab.source, 7, ISO))
        cut_again(luns, lambda lab: lab.datastore.prepare_incoming(lab.target, [disk_of(luns)], ISO))
        cut_again(luns, lambda lab: lab.datastore.remove_vm(lab.target, 7, [disk_of(luns)], keep_persistent=False))
        assert (luns.datastore.vm_ids(luns.source), luns.datastore.vm_ids(luns.target)) == ([7], [])
        cut_again(luns, lambda lab: lab.datastore.move_vm(lab.source, lab.target, 7, [disk_of(luns)], **HOW))
        for host in (luns.source, luns.target):
            luns.datastore.remove_vm(host, 7, [disk_of(luns)])
            assert luns.datastore.vm_ids(host) == []
            left = ["find", host.root, "-path", "*/work/*", "-o", "-name", "*.part", "-o", "-name", "*.staged*"]
            assert host.transport.run(left, root=True).text == ""

    def test_a_disk_follows_what_grows_on_the_san(self, luns: LunLab) -> None:
        store, disk = luns.datastore, disk_of(luns)
        with pytest.raises(ConflictError, match="as large as its LUN"):
            store.refresh_disk(luns.source, disk, 2 * SIZE)
        luns.grow(2 * SIZE)
        for _ in range(2):
            store.refresh_disk(luns.source, disk, 2 * SIZE)
            store.resize_disk(luns.target, disk, 2 * SIZE)
        with pytest.raises(ConflictError, match="16 MiB"):
            store.refresh_disk(luns.source, disk, SIZE + MIB)

    def test_a_lun_that_became_smaller_is_refused(self, luns: LunLab) -> None:
        with pytest.raises(ConflictError, match="became smaller"):
            luns.datastore.create_disk(luns.source, disk_of(luns, size=3 * SIZE), **HOW)

    def test_a_disk_is_free_on_a_host_unless_somebody_there_has_it(self, luns: LunLab) -> None:
        assert luns.datastore.has_image(luns.target, image_of(luns))
        with luns.holding(luns.target):
            luns.datastore.require_unused(luns.source, disk_of(luns))
            with pytest.raises(ConflictError, match="two writers") as refused:
                luns.datastore.require_unused(luns.target, disk_of(luns))
            assert "domain foreign" in refused.value.cause
        for host in (luns.source, luns.target):
            luns.datastore.require_unused(host, disk_of(luns))

    def test_a_sound_host_passes_the_check(self, luns: LunLab) -> None:
        assert [finding for finding in luns.datastore.check(luns.source) if finding.level == "error"] == []


def cut_again(luns: LunLab, act: Callable[[LunLab], object]) -> None:
    """The connections break at one errand after the other, and it is begun anew each time."""
    for number in range(1, 200):
        cut = Cut(number)
        try:
            act(dataclasses.replace(luns, source=cut.host(luns.source), target=cut.host(luns.target)))
        except UnreachableError:
            assert cut.struck
        if not cut.struck:
            return

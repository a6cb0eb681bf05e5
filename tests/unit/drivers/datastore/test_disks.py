"""What the files of a datastore really are, asked of qemu-img and the file system."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula.drivers.datastore.layout import checked_path
from nebula.drivers.datastore.making import Recipe, exists
from nebula.drivers.datastore.shared import SharedDatastore
from nebula.drivers.longrun import Sighting
from nebula.errors import CapacityError, NotFoundError, UsageError
from nebula.model.storage import DiskSpec
from nebula.transport.base import Completed
from nebula.transport.local import LocalTransport
from tests.contract.datastore import MIB, SIZE, DatastoreLab, clone_of, create, os_image, take_in, volatile
from tests.unit.drivers.datastore.conftest import Peers


@pytest.fixture
def lab(ssh_lab: DatastoreLab) -> DatastoreLab:
    return ssh_lab


def info(path: str, *options: str) -> Any:
    return json.loads(
        subprocess.run(["qemu-img", "info", "-U", "--output=json", *options, path], check=True, capture_output=True).stdout
    )


def content(path: str, format_: str) -> None:
    subprocess.run(["qemu-io", "-r", "-f", format_, "-c", "read -P 65 1M 64k", path], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("image_format", ["qcow2", "raw"])
@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
@pytest.mark.parametrize("size", [0, SIZE * 2])
def test_a_clone_shows_its_images_content_in_every_combination(
    lab: DatastoreLab, image_format: str, disk_format: str, size: int
) -> None:
    image = take_in(lab, os_image(format=image_format))
    disk = DiskSpec(vm_id=7, disk_id=0, kind="clone", format=disk_format, size=size, image=image)  # type: ignore[arg-type]
    create(lab, disk)
    path = lab.datastore.disk_path(lab.source, disk)
    told = info(path, "-f", disk_format)
    assert told["virtual-size"] == (size or SIZE)
    assert told.get("backing-filename-format") == (image_format if disk_format == "qcow2" else None)
    content(path, disk_format)


class Counting(LocalTransport):
    """A host that counts the commands that it is given."""

    count = 0

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        self.count += 1
        return super().run(argv, **more)


def test_an_overlay_and_a_context_cost_a_round_trip_each(lab: DatastoreLab) -> None:
    disk, transport = clone_of(take_in(lab, os_image())), Counting()
    host = msgspec.structs.replace(lab.source, transport=transport)
    lab.datastore.create_disk(host, disk, job="2-disks", progress=None, cancel=None)
    assert transport.count == 1
    path = Path(lab.datastore.write_context(host, 99, b"a CD"))
    assert transport.count == 2
    assert path.read_bytes() == b"a CD"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o711)


def test_an_overlay_names_its_image_relatively(lab: DatastoreLab) -> None:
    disk = clone_of(take_in(lab, os_image()))
    create(lab, disk)
    told = info(lab.datastore.disk_path(lab.source, disk))
    assert told["backing-filename"] == f"../../images/{disk.image.uuid}.qcow2"  # type: ignore[union-attr]
    assert Path(told["full-backing-filename"]).samefile(lab.datastore.image_path(lab.source, os_image()))


def test_files_are_private_and_directories_can_be_passed(lab: DatastoreLab, place: Path) -> None:
    disk = clone_of(take_in(lab, os_image()))
    create(lab, disk)
    path = Path(lab.datastore.disk_path(lab.source, disk))
    for file in (path, Path(lab.datastore.image_path(lab.source, os_image()))):
        assert file.stat().st_mode & 0o777 == 0o600
        for directory in file.parents:
            if directory.is_relative_to(place):
                assert directory.stat().st_mode & 0o777 == 0o711
    assert sorted(file.name for file in path.parent.iterdir()) == ["disk.0"]


@pytest.mark.parametrize(("filesystem", "magic", "at"), [("swap", b"SWAPSPACE2", 4086), ("ext4", b"\x53\xef", 1080)])
def test_a_volatile_disk_can_hold_a_file_system(lab: DatastoreLab, filesystem: str, magic: bytes, at: int) -> None:
    disk = volatile(filesystem=filesystem)
    create(lab, disk)
    path = Path(lab.datastore.disk_path(lab.source, disk))
    assert path.read_bytes()[at : at + len(magic)] == magic
    assert path.stat().st_size == SIZE


@pytest.mark.parametrize("more", [{"size": 0}, {"filesystem": "ntfs"}, {"filesystem": "ext4", "format": "qcow2"}])
def test_what_cannot_be_made_is_a_usage_error(lab: DatastoreLab, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        create(lab, volatile(**more))


def test_no_room_is_said_as_such(lab: DatastoreLab, place: Path) -> None:
    image = take_in(lab, os_image(format="raw"))
    small = place / "one" / "datastores" / "100" / "vms"
    small.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=711", "tmpfs", small], check=True)
    try:
        with pytest.raises(CapacityError, match="no room"):
            create(lab, clone_of(image))
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_staged_file_elsewhere_is_taken_in_too(lab: DatastoreLab, place: Path) -> None:
    image = os_image(format="raw")
    (place / "upload").write_bytes(bytes(SIZE))
    lab.datastore.take_in(lab.source, image, str(place / "upload"), job="1", progress=None, cancel=None)
    assert lab.datastore.has_image(lab.source, image)
    assert not (place / "upload").exists()


def test_what_is_no_path_for_a_datastore_is_refused() -> None:
    for path in ("relative", "/a b", "/a;b", "/a/../b", "/", "/a/$(id)", "/x" * 400):
        with pytest.raises(UsageError):
            checked_path(path)
    with pytest.raises(UsageError):
        SharedDatastore(1, {})


def test_a_shared_image_that_a_host_does_not_see_is_reported(shared_lab: DatastoreLab) -> None:
    with pytest.raises(NotFoundError, match="does not see"):
        shared_lab.datastore.copy_image(shared_lab.source, shared_lab.target, os_image(), job="1", progress=None, cancel=None)


def test_the_check_finds_a_closed_directory_and_a_missing_share(shared_lab: DatastoreLab, place: Path) -> None:
    (place / "share").chmod(0o700)
    assert [finding.fix for finding in shared_lab.datastore.check(shared_lab.source)] == [f"chmod o+x {place / 'share'}"]
    (place / "share").rmdir()
    assert "datastore.path" in [finding.check for finding in shared_lab.datastore.check(shared_lab.source)]


def test_the_check_says_that_a_host_cannot_fetch(ssh_lab: DatastoreLab) -> None:
    Path(ssh_lab.source.root, "ssh", "id_ed25519").unlink()
    assert "datastore.peers" in [finding.check for finding in ssh_lab.datastore.check(ssh_lab.source)]


def test_a_copys_holes_are_behind_it_like_its_bytes() -> None:
    seen = Sighting(written=5, size=9, stdout=b" 7  70%")
    assert [Recipe(body).done(seen) for body in ("copy", "convert", "pull")] == [9, 5, 7]


def test_progress_ends_at_the_whole(lab: DatastoreLab) -> None:
    image = take_in(lab, os_image(format="raw", size=64 * MIB))
    seen: list[tuple[int, int]] = []
    disk = clone_of(image)
    lab.datastore.create_disk(lab.source, disk, job="2", progress=lambda *told: seen.append(told), cancel=None)
    assert seen[-1] == (64 * MIB, 64 * MIB)


def test_what_a_host_says_at_each_login_is_no_answer(remote_lab: DatastoreLab, peers: Peers) -> None:
    host, there = remote_lab.source, Path(remote_lab.source.root, "ssh", "id_ed25519")
    with peers.talking():
        assert host.transport.run(["true"], root=True).stderr != b""
        assert exists(host, str(there))
        assert not exists(host, f"{there}.none")

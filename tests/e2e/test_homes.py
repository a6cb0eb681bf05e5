"""Homes that cannot be used: on a network, read-only, full. Each is one clear error, and nothing is left half done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A directory where the test mounts something."""
    place = tmp_path / "mounted"
    place.mkdir()
    yield place
    subprocess.run(["umount", str(place)], check=True)


def mount(place: Path, options: str) -> None:
    """A file system in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)


def test_a_home_over_sshfs_is_refused_before_anything_is_made(lab: LabHandle, mounted: Path) -> None:
    options = [f"IdentityFile={lab.root / 'key'}", f"UserKnownHostsFile={lab.root / 'known_hosts'}"]
    flags = [word for option in options for word in ("-o", option)]
    subprocess.run(["sshfs", *flags, f"root@{lab.host('h1')['address']}:/srv/nebula-shared", str(mounted)], check=True)
    for command in (("vm", "list"), ("cluster", "create", "one"), ("--daemon",)):
        done = Program(mounted / "home").run(*command)
        assert (done.returncode, "network file system (fuse.sshfs)" in done.stderr) == (5, True)
    assert not (mounted / "home").exists()


def test_a_home_that_is_read_only(mounted: Path) -> None:
    mount(mounted, "size=4m")
    Program(mounted).out("cluster", "create", "one")
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    for home in (mounted, mounted / "new"):
        done = Program(home).run("cluster", "create", "two")
        assert (done.returncode, "Read-only file system" in done.stderr) == (4, True)


def test_a_home_whose_disk_is_full(mounted: Path) -> None:
    mount(mounted, "size=3m")
    program = Program(mounted)
    program.out("cluster", "create", "one")
    subprocess.run(["dd", "if=/dev/zero", f"of={mounted / 'fill'}", "bs=4k"], check=False, capture_output=True)
    full = program.run("cluster", "create", "two")
    assert (full.returncode, "hint: free space there" in full.stderr) == (1, True)
    assert [row["name"] for row in program.json("cluster", "list", "-f", "json")] == ["default", "one"]
    (mounted / "fill").unlink()
    program.out("cluster", "create", "two")

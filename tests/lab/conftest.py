"""The lab's fixtures: `lab` is two hosts with a guest network, mended after each test; `make_lab` makes others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .handle import COMMAND_SECONDS, MACHINE_SECONDS, PROGRAM, LabHandle, MakeLab, run_lab

IMAGES = PROGRAM.parents[1] / ".lab"


@pytest.fixture(scope="session")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeLab]:
    """`make_lab(2, "--guest-bridge", "br0")`: a lab of its own, taken down at the end of the session."""
    made: list[LabHandle] = []

    def make(count: int, *options: str, seconds: float = COMMAND_SECONDS) -> LabHandle:
        handle = LabHandle(tmp_path_factory.mktemp("labs"), "lab")
        handle.run("up", str(count), *options, seconds=seconds)
        made.append(handle)
        return handle

    yield make
    for handle in made:
        if (handle.root / "lab.json").exists():
            handle.run("down")


@pytest.fixture(scope="session")
def make_machines(make_lab: MakeLab) -> MakeLab:
    """`make_machines(2, "--san", "4")`: a lab whose hosts m1, m2 ... are virtual machines; they share the project's image."""

    def make(count: int, *options: str) -> LabHandle:
        built = run_lab(IMAGES, "lab", "images", "--machine", seconds=MACHINE_SECONDS)
        assert built.returncode == 0, built.stderr
        image = ("--images", str(Path(built.stdout.strip()).parent))
        return make_lab(0, "--machines", str(count), *image, *options, seconds=MACHINE_SECONDS)

    return make


@pytest.fixture(scope="session")
def session_lab(make_lab: MakeLab) -> LabHandle:
    """Two hosts, h1 and h2, whose bridges br0 are joined and reachable from the front end."""
    return make_lab(2, "--guest-bridge", "br0")


@pytest.fixture
def lab(session_lab: LabHandle) -> Iterator[LabHandle]:
    """The session's lab, whole again after the test."""
    yield session_lab
    session_lab.mend_all()


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The guest's qcow2 disk; built once and kept beside the project's labs (git-ignored)."""
    done = run_lab(IMAGES, "lab", "images")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[1])

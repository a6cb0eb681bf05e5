"""Where the socket lies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import DeniedError, UsageError
from nebula.rpc.paths import LONGEST, SYSTEM_SOCKET, socket_path

UID = os.geteuid()


@pytest.fixture
def short(place: Path) -> Path:
    return place.parent


def where(home: Path, short: Path, **environ: str) -> Path:
    return socket_path(home, False, environ=environ, run=short / "none", temporary=short)


def test_the_system_home_has_its_own(tmp_path: Path) -> None:
    assert socket_path(tmp_path, True, environ={}) == SYSTEM_SOCKET


def test_the_runtime_directory_is_used(tmp_path: Path, short: Path) -> None:
    runtime = short / "runtime"
    runtime.mkdir(mode=0o700)
    path = where(tmp_path, short, XDG_RUNTIME_DIR=str(runtime))
    assert path.parent == runtime / "nebula"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert where(tmp_path, short, XDG_RUNTIME_DIR=str(runtime)) == path
    assert where(tmp_path / "other", short, XDG_RUNTIME_DIR=str(runtime)) != path


def test_the_users_runtime_directory_is_found_without_its_variable(tmp_path: Path, short: Path) -> None:
    (short / "run" / str(UID)).mkdir(parents=True, mode=0o700)
    path = socket_path(tmp_path, False, environ={}, run=short / "run", temporary=short)
    assert path.parent == short / "run" / str(UID) / "nebula"


def test_else_a_private_directory(tmp_path: Path, short: Path) -> None:
    assert where(tmp_path, short).parent == short / f"nebula-{UID}"
    assert where(tmp_path, short, XDG_RUNTIME_DIR="relative").parent == short / f"nebula-{UID}"
    assert where(tmp_path, short, XDG_RUNTIME_DIR=str(short / "missing")).parent == short / f"nebula-{UID}"


def test_however_the_home_is_spelled(tmp_path: Path, short: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    assert where(home, short) == where(tmp_path / "link", short) == where(home / ".." / "home", short)


def test_what_cannot_be_trusted_is_refused(tmp_path: Path, short: Path) -> None:
    directory = short / f"nebula-{UID}"
    (short / "elsewhere").mkdir()
    directory.symlink_to(short / "elsewhere")
    with pytest.raises(DeniedError, match="link"):
        where(tmp_path, short)
    directory.unlink()
    directory.mkdir()
    directory.chmod(0o750)
    with pytest.raises(DeniedError, match="0750"):
        where(tmp_path, short)


def test_somebody_elses_directory_is_refused(tmp_path: Path, short: Path) -> None:
    (short / f"nebula-{UID + 1}").mkdir(mode=0o700)
    with pytest.raises(DeniedError, match="belongs to"):
        socket_path(tmp_path, False, environ={}, uid=UID + 1, run=short, temporary=short)


def test_a_long_runtime_directory_is_passed_over(tmp_path: Path, short: Path) -> None:
    runtime = short / ("x" * 100)
    runtime.mkdir(mode=0o700)
    assert where(tmp_path, short, XDG_RUNTIME_DIR=str(runtime)).parent == short / f"nebula-{UID}"
    with pytest.raises(UsageError):
        socket_path(tmp_path, False, environ={}, run=short / "none", temporary=runtime)


@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_paths_are_short_and_differ(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="nebula-") as directory:
        path, other = (where(Path("/home") / home, Path(directory)) for home in (name, name + "x"))
    assert path != other
    assert len(os.fsencode(Path("/run/user/1000000/nebula") / path.name)) <= LONGEST

"""Which home is meant, on which file system, and that one process at a time owns it."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from nebula.engine.home import Ownership, file_system, prepare, refuse_second
from nebula.engine.local.engine import own
from nebula.engine.owner import choose, owner
from nebula.errors import ConflictError, DeniedError, NebulaError
from tests.support.sim import Sim

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
tmpfs /homework tmpfs rw 0 0
nonsense
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return tmp_path / "system"


def _database(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "nebula.db").touch()


def test_what_is_typed_comes_first(system: Path) -> None:
    assert choose("/a", {"NEBULA_HOME": "/b"}, uid=0, system=system) == "/a"
    assert choose("", {"NEBULA_HOME": "/b"}, uid=1000, system=system) == "/b"
    assert choose("rel", {}, uid=0, system=system) == f"{Path.cwd()}/rel"


@pytest.mark.parametrize("uid", [0, 1000])
def test_the_system_home_if_it_is_in_use(system: Path, uid: int) -> None:
    _database(system)
    assert choose("", {"HOME": "/home/a", "SUDO_USER": "root"}, uid=uid, system=system) == str(system)


def test_else_ones_own(system: Path) -> None:
    assert choose("", {"HOME": "/home/a"}, uid=1000, system=system) == "/home/a/.local/share/nebula"
    assert choose("", {"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, uid=1000, system=system) == "/data/nebula"
    assert choose("", {"HOME": "/root"}, uid=0, system=system) == str(system)


def test_sudo_beside_a_private_home_asks_which(system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    entry = pwd.struct_passwd(("alice", "x", 1000, 1000, "", str(tmp_path / "alice"), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {"alice": entry}.__getitem__)
    environ = {"SUDO_USER": "alice", "HOME": "/root"}
    assert choose("", environ, uid=0, system=system) == str(system)
    assert choose("", {**environ, "SUDO_USER": "nobody-here"}, uid=0, system=system) == str(system)
    _database(tmp_path / "alice" / ".local/share/nebula")
    with pytest.raises(ConflictError, match="which home") as failure:
        choose("", environ, uid=0, system=system)
    assert str(tmp_path / "alice") in failure.value.hint
    _database(system)
    assert choose("", environ, uid=0, system=system) == str(system)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home/a", "nfs4"),
        ("/home/local/a", "xfs"),
        ("/homework", "tmpfs"),
        ("/homeless", "ext4"),
        ("/mnt/with space/a", "cifs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_a_home_is_private_and_a_directory(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    prepare(home)
    prepare(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NebulaError) as failure:
            prepare(wrong)
        assert "--home" in failure.value.hint


def test_a_home_on_a_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nebula.engine.home.file_system", lambda *_: "nfs4")
    with pytest.raises(ConflictError, match="network file system"):
        prepare(tmp_path)


@pytest.mark.parametrize("kind", [DeniedError])
def test_somebody_elses_home(tmp_path: Path, kind: type[NebulaError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(kind):
        prepare(tmp_path)


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = Ownership(tmp_path), Ownership(tmp_path)
    assert owner(tmp_path) == {}
    assert first.take("daemon")
    assert not second.take("command")
    assert owner(tmp_path) == {"pid": os.getpid(), "role": "daemon"}
    error = refuse_second(tmp_path)
    assert error.exit_status == 5
    assert str(os.getpid()) in error.cause
    first.release()
    first.release()
    assert owner(tmp_path) == {}
    assert second.take("command")
    second.release()


def test_a_second_engine_is_refused(bare: Sim) -> None:
    assert own(bare.home, "daemon") is None


def _take_and_die(home: str) -> None:
    assert Ownership(Path(home)).take("daemon")
    os._exit(9)


def test_a_dead_owner_owns_nothing(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_take_and_die, args=(str(tmp_path),))
    child.start()
    child.join(30)
    assert child.exitcode == 9
    assert owner(tmp_path) == {}
    mine = Ownership(tmp_path)
    assert mine.take("daemon")
    mine.release()

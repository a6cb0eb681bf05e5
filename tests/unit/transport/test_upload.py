from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.errors import (
    CapacityError,
    CommandError,
    ConflictError,
    InterruptedByUser,
    NotFoundError,
    UnreachableError,
    UsageError,
)
from nebula.transport.commands import CommandTransport
from nebula.transport.scripts import RECEIVE, sh
from nebula.transport.source import Source
from tests.unit.transport.conftest import Connect, Sshd

MIB = 1 << 20


def _data(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """128 MiB of which 6 MiB are data: at the start, in the middle and unaligned; a hole at the end."""
    path = tmp_path / "disk image.raw"
    with path.open("wb") as file:
        for offset, size in ((0, 4 * MIB), (50 * MIB, MIB), (70 * MIB + 12345, MIB)):
            file.seek(offset)
            file.write(_data(size, offset))
        file.truncate(128 * MIB)
    return path


@pytest.fixture
def solid(tmp_path: Path) -> Path:
    path = tmp_path / "solid"
    path.write_bytes(_data(48 * MIB, 7))
    return path


def _same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", "--", one, other], check=False).returncode == 0


def _stop_at(limit: int, token: CancelToken) -> Callable[[int, int], None]:
    def progress(done: int, _total: int) -> None:
        if done >= limit:
            token.set("cancelled by alice")

    return progress


def test_holes_stay_holes(transport: CommandTransport, sparse: Path, tmp_path: Path) -> None:
    target, seen = tmp_path / "it's there", []
    transport.upload(sparse, str(target), progress=lambda done, total: seen.append((done, total)))
    assert _same(sparse, target)
    assert target.stat().st_blocks * 512 < 16 * MIB
    assert seen == sorted(seen)
    assert seen[-1] == (128 * MIB, 128 * MIB)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([sparse.name, target.name])


@pytest.mark.parametrize("size", [0, 1, 4097])
def test_small_files(transport: CommandTransport, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(_data(size, size))
    target.write_bytes(b"older, and longer than the new one" * 1000)
    transport.upload(source, str(target))
    assert target.read_bytes() == source.read_bytes()


def test_cancelled_upload_is_continued(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    target, token = tmp_path / "target", CancelToken()
    with pytest.raises(InterruptedByUser, match="alice"):
        transport.upload(solid, str(target), progress=_stop_at(20 * MIB, token), cancel=token)
    assert not target.exists()
    arrived = (tmp_path / "target.part").stat().st_size
    assert 0 < arrived < 48 * MIB
    seen: list[int] = []
    transport.upload(solid, str(target), progress=lambda done, _total: seen.append(done))
    assert seen[0] == arrived
    assert _same(solid, target)


def test_upload_goes_on_after_a_lost_connection(connect: Connect, sshd: Sshd, tmp_path: Path) -> None:
    source, target, transport = tmp_path / "source", tmp_path / "target", connect()
    source.write_bytes(_data(200 * MIB, 10))
    dropped: list[int] = []

    def drop(done: int, _total: int) -> None:
        if done > 10 * MIB and not dropped:
            dropped.append(done)
            sshd.drop_connections()

    with pytest.raises(UnreachableError):
        transport.upload(source, str(target), progress=drop)
    seen: list[int] = []
    transport.upload(source, str(target), progress=lambda done, _total: seen.append(done))
    assert seen[0] > 0
    assert _same(source, target)


def test_part_of_another_file_is_not_continued(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    target, token = tmp_path / "target", CancelToken()
    with pytest.raises(InterruptedByUser):
        transport.upload(solid, str(target), progress=_stop_at(20 * MIB, token), cancel=token)
    solid.write_bytes(_data(30 * MIB, 8))
    seen: list[int] = []
    transport.upload(solid, str(target), progress=lambda done, _total: seen.append(done))
    assert seen[0] == 0
    assert _same(solid, target)


def test_part_with_a_spoilt_end_is_not_continued(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    target, token = tmp_path / "target", CancelToken()
    with pytest.raises(InterruptedByUser):
        transport.upload(solid, str(target), progress=_stop_at(20 * MIB, token), cancel=token)
    part = tmp_path / "target.part"
    with part.open("r+b") as file:
        file.seek(part.stat().st_size - 100)
        file.write(b"\0" * 100)
    seen: list[int] = []
    transport.upload(solid, str(target), progress=lambda done, _total: seen.append(done))
    assert seen[0] == 0
    assert _same(solid, target)


def test_file_that_changes_meanwhile(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    changed: list[int] = []

    def change(done: int, _total: int) -> None:
        if done and not changed:
            changed.append(done)
            os.utime(solid, (1, 1))

    with pytest.raises(ConflictError, match="changed while"):
        transport.upload(solid, str(tmp_path / "target"), progress=change)
    assert not (tmp_path / "target").exists()


def test_two_uploads_to_one_place(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    with (tmp_path / "target.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another upload"):
            transport.upload(solid, str(tmp_path / "target"))
    assert not (tmp_path / "target").exists()


def test_an_upload_whose_sender_is_gone_gives_way_to_the_next(transport: CommandTransport, solid: Path, tmp_path: Path) -> None:
    target, source = tmp_path / "target", Source.of(solid)
    words = sh(RECEIVE, str(target), source.token, "0", str(source.size))
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as left:
        assert left.stdin is not None
        left.stdin.write(f"0 {10 * MIB}\n".encode() + solid.read_bytes()[: 3 * MIB])
        left.stdin.flush()
        part = tmp_path / "target.part"
        while not part.exists() or part.stat().st_size < 3 * MIB:
            assert left.poll() is None
            time.sleep(0.01)
        seen: list[int] = []
        transport.upload(solid, str(target), progress=lambda done, _total: seen.append(done))
        assert left.wait(10) == -signal.SIGKILL
        assert seen[0] >= 3 * MIB, "it goes on where the other one stood"
    assert _same(solid, target)


def test_no_space(connect: Connect, sshd: Sshd, solid: Path) -> None:
    with pytest.raises(CapacityError, match="No space left"):
        connect().upload(solid, str(sshd.base / "small" / "target"))


def test_what_cannot_be_uploaded(transport: CommandTransport, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        transport.upload(tmp_path / "missing", str(tmp_path / "target"))
    with pytest.raises(UsageError, match="not a plain file"):
        transport.upload(tmp_path, str(tmp_path / "target"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(CommandError):
        transport.upload(tmp_path / "file", str(tmp_path / "no" / "target"))

"""Copies that a power cut, a full disk or a tidied /var/tmp left damaged: noticed when they fail, and made anew."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from buildkit.runtime import unpack

from tests.build.conftest import SECONDS, OneFile


def library(one_file: OneFile, name: str) -> Path:
    """A file of the only copy."""
    [found] = one_file.copies()[0].glob(f"lib/*/site-packages/{name}")
    return found


@pytest.mark.parametrize("content", [b"", b"def main(", None])
def test_a_damaged_copy_is_made_anew(one_file: OneFile, content: bytes | None) -> None:
    one_file.run()
    entry = library(one_file, "nebula/cli/entry.py")
    whole = entry.read_bytes()
    if content is None:
        entry.unlink()
    else:
        entry.write_bytes(content)
    done = one_file.run("fail")
    assert (done.returncode, done.stderr) == (7, "")
    assert library(one_file, "nebula/cli/entry.py").read_bytes() == whole
    assert len(one_file.copies()) == 1


def test_so_is_one_whose_compiled_files_are_cut_off(one_file: OneFile) -> None:
    one_file.run()
    compiled = library(one_file, "nebula/cli/__pycache__/entry.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:40])
    done = one_file.run("fail")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("name", ["start.py", "used", "bin/python"])
def test_so_is_one_that_lost_its_beginning(one_file: OneFile, name: str) -> None:
    one_file.run()
    path = one_file.copies()[0] / name
    path.unlink()
    if name == "start.py":
        path.touch()
    done = one_file.run("fail")
    assert (done.returncode, done.stderr) == (7, "")


def test_a_fault_of_the_program_is_not_taken_for_damage(one_file: OneFile) -> None:
    one_file.run()
    copy = one_file.copies()[0]
    assert unpack.check(str(one_file.path), str(copy)) == 0
    assert unpack.check(str(one_file.path), "/") == 0
    assert copy.exists()


def test_of_many_first_starts_one_unpacks(one_file: OneFile, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[str] = []
    extract = unpack.extract

    def counted(archive: Path, target: Path, abi: str) -> None:
        unpacked.append(abi)
        extract(archive, target, abi)

    monkeypatch.setattr(unpack, "extract", counted)
    abi = one_file.abi
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(unpack.copy_under, one_file.cache, one_file.path, f"{'0' * 16}.{abi}", abi) for _ in range(8)]
        assert len({future.result(SECONDS) for future in made}) == 1
    assert unpacked == [abi]


def test_ctrl_c_needs_no_traceback(one_file: OneFile) -> None:
    process = one_file.start("wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (130, "")

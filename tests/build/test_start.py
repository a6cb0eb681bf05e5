"""Starting the one file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.build.conftest import SECONDS, OneFile


def test_the_program_sees_its_own_path_and_its_arguments(one_file: OneFile) -> None:
    done = one_file.run("vm", "list", "a b", "*", "")
    assert json.loads(done.stdout)["argv"] == [str(one_file.path), "vm", "list", "a b", "*", ""]
    assert (done.returncode, done.stderr) == (0, "")


def test_its_exit_status_comes_back(one_file: OneFile) -> None:
    assert one_file.run("fail").returncode == 7


def test_the_second_start_does_not_need_the_archive(one_file: OneFile) -> None:
    one_file.run()
    content = one_file.path.read_bytes()
    one_file.path.write_bytes(content[: content.index(b"PK\x03\x04")])
    assert one_file.run().returncode == 0


def test_the_program_can_start_itself_by_its_interpreter(one_file: OneFile) -> None:
    executable = json.loads(one_file.run().stdout)["executable"]
    done = subprocess.run(
        [executable, "-P", "-m", "nebula", "again"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert json.loads(done.stdout)["argv"][1:] == ["again"]


def test_an_interpreter_may_be_given_the_file(one_file: OneFile) -> None:
    argv = [str(Path(sys.executable).resolve()), str(one_file.path), "vm", "list"]
    done = subprocess.run(argv, env=one_file.environ(), capture_output=True, text=True, timeout=SECONDS, check=True)
    assert json.loads(done.stdout)["argv"] == [str(one_file.path), "vm", "list"]


def test_eight_first_starts_at_once_all_work(one_file: OneFile) -> None:
    started = [one_file.start() for _ in range(8)]
    ended = [(process.communicate(timeout=SECONDS)[1], process.returncode) for process in started]
    assert ended == [("", 0)] * 8
    assert len(one_file.copies()) == 1


def test_an_interpreter_that_went_away_is_replaced(one_file: OneFile) -> None:
    one_file.run()
    link = one_file.copies()[0] / "bin" / "python"
    link.unlink()
    link.symlink_to("/nonexistent/python3")
    assert one_file.run().returncode == 0


def test_an_old_python_is_named_with_what_is_needed(one_file: OneFile) -> None:
    _stand_in(one_file.bin / "python3")
    for name in ("python3.11", "python3.12", "python3.13"):
        _stand_in(one_file.bin / name)
    done = one_file.run("--version")
    needed = f"3.{sys.version_info[1]}"
    assert (done.returncode, done.stdout) == (1, "")
    assert f"this file needs CPython {needed}" in done.stderr
    assert f"{one_file.bin}/python3 (Python 3.10.13)" in done.stderr
    assert "try: apt install python3" in done.stderr


def test_no_python_at_all_is_said(one_file: OneFile) -> None:
    one_file.environment["PATH"] = "/nonexistent"
    done = one_file.run()
    assert done.returncode == 1
    assert "found: nothing named python3" in done.stderr


def test_the_interpreter_can_be_chosen(one_file: OneFile) -> None:
    one_file.environment["NEBULA_PYTHON"] = str(one_file.bin / "python3")
    one_file.bin = Path("/nonexistent")
    assert one_file.run().returncode == 0


def test_no_place_for_the_copy_is_said_with_reasons(one_file: OneFile) -> None:
    one_file.environment["NEBULA_CACHE"] = "/proc/1/nebula"
    done = one_file.run()
    assert done.returncode == 1
    assert "no directory can hold its unpacked copy" in done.stderr
    assert "/proc/1/nebula: " in done.stderr
    assert "try: NEBULA_CACHE=" in done.stderr


def _stand_in(path: Path) -> None:
    """An interpreter that is too old: it answers what it is, and fits nothing."""
    path.unlink(missing_ok=True)
    path.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.10.13" && exit\nexit 1\n')
    path.chmod(0o755)

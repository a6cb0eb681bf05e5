"""Where unpacked copies lie, and when they go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from buildkit.runtime import unpack

from tests.build.conftest import SECONDS, OneFile

DAY = 86_400


def age(path: Path, days: int) -> None:
    """Let the file be last touched `days` ago."""
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def test_another_builds_copy_goes_when_unused_for_30_days(make_file: Callable[..., OneFile]) -> None:
    old, recent, new = make_file("1.0"), make_file("1.1"), make_file("2.0")
    old.run()
    forgotten = old.copies()[0]
    recent.run()
    kept = next(path for path in recent.copies() if path != forgotten)
    age(forgotten / "used", 31)
    age(kept / "used", 29)
    new.run()
    assert forgotten not in new.copies()
    assert kept in new.copies()


def test_a_start_counts_as_use(make_file: Callable[..., OneFile]) -> None:
    old, new = make_file("1.0"), make_file("2.0")
    old.run()
    copy = old.copies()[0]
    age(copy / "used", 31)
    old.run()
    new.run()
    assert copy in new.copies()


def test_the_copy_of_a_running_program_stays(make_file: Callable[..., OneFile]) -> None:
    old, new = make_file("1.0"), make_file("2.0")
    process = old.start("wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    copy = old.copies()[0]
    age(copy / "used", 300)
    new.run()
    process.communicate("", timeout=SECONDS)
    assert copy in new.copies()


def test_what_a_killed_first_start_left_goes_after_a_day(one_file: OneFile) -> None:
    one_file.cache.mkdir()
    dead, alive = one_file.cache / "partial-dead", one_file.cache / "partial-alive"
    for path, days in ((dead, 2), (alive, 0)):
        path.mkdir()
        age(path, days)
    one_file.run()
    assert dead not in one_file.copies()
    assert alive in one_file.copies()


def test_nothing_else_in_the_directory_is_touched(one_file: OneFile) -> None:
    one_file.cache.mkdir()
    mine = one_file.cache / "notes"
    mine.write_text("keep")
    age(mine, 400)
    one_file.run()
    assert mine.read_text() == "keep"


def test_the_first_directory_that_can_hold_a_copy_is_taken(
    one_file: OneFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good"
    assert unpack.main(str(one_file.path), "0" * 16, ["/proc/1/nebula", str(good)]) == 0
    assert Path(capsys.readouterr().out.strip()).parent == good


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(unpack.UnusableError, match="others may write"):
        unpack.secure(shared)


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(unpack.UnusableError, match="somebody else"):
        unpack.secure(link)


def test_copies_are_private(one_file: OneFile) -> None:
    one_file.run()
    assert [oct(path.stat().st_mode & 0o777) for path in (one_file.cache, *one_file.copies())] == ["0o700", "0o700"]

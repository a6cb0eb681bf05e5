"""A restore that is killed at any moment leaves the old database, log and all, or the copy: never a mixture."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nebula.clock import SystemClock
from nebula.engine.store import schema
from nebula.engine.store.backup import backup, problems, restore
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import ClusterRow
from nebula.engine.store.store import Store

_forks = multiprocessing.get_context("forkserver")
CHANGES = ((Path, "unlink"), (Path, "replace"), (os, "link"), (os, "fsync"), (os, "open"))
"""What a restore does to files by itself."""


def _write_and_die(home: Path) -> None:
    """The newest rows are in the log only."""
    store = Store(parse_url("", home), SystemClock())
    store.write(lambda tx: tx.insert(ClusterRow(name="in the log")))
    os.kill(os.getpid(), signal.SIGKILL)


def _restore_and_die(home: Path, copy: Path, number: int) -> None:
    numbers = itertools.count(1)

    def counted(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if next(numbers) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*given, **named)

        return call

    for owner, name in CHANGES:
        setattr(owner, name, counted(getattr(owner, name)))
    restore(parse_url("", home), copy)


def _run(target: Callable[..., None], *given: Any) -> int | None:
    child = _forks.Process(target=target, args=given)
    child.start()
    child.join(60)
    return child.exitcode


def _names(home: Path) -> list[str]:
    connection = sqlite3.connect(home / "nebula.db")
    try:
        return [name for (name,) in connection.execute("SELECT name FROM cluster ORDER BY id")]
    finally:
        connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    location = parse_url("", home)
    schema.prepare(location, put_aside=lambda: None)
    store = Store(location, SystemClock())
    store.write(lambda tx: tx.insert(ClusterRow(name="old")))
    store.close()
    backup(location, tmp_path / "copy.db")
    assert _run(_write_and_die, home) == -signal.SIGKILL
    assert (home / "nebula.db-wal").stat().st_size > 0
    return home


def test_old_or_new_and_nothing_between(home: Path, tmp_path: Path) -> None:
    seen = []
    for number in itertools.count(1):
        place = Path(shutil.copytree(home, tmp_path / str(number)))
        status = _run(_restore_and_die, place, tmp_path / "copy.db", number)
        assert status in {0, -signal.SIGKILL}
        seen.append(_names(place))
        assert problems(parse_url("", place)) == []
        if status == 0:
            break
    assert set(map(tuple, seen)) == {("old", "in the log"), ("old",)}
    assert seen == sorted(seen, reverse=True), "once it is the copy, it stays it"

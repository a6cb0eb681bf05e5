"""Commands that only read, over the home of an older program: they bring its database up and begin none of its jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nebula.engine.store import schema
from tests.support.old_home import opened
from tests.unit.cli.conftest import Program

FIRST = Path(__file__).parents[2] / "data" / "homes" / "1.0"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the first program left, with jobs under way."""
    return opened(FIRST, tmp_path / "home")


def _rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(home / "nebula.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "words", [("vmgroup", "list"), ("drs", "history"), ("drs", "status", "default"), ("vm", "log", "idle")], ids=" ".join
)
def test_it_is_brought_up(home: Path, program: Program, words: tuple[str, ...]) -> None:
    jobs = _rows(home, 'SELECT * FROM "job" ORDER BY "id"')
    done = program(*words)
    assert done.status == 0, done
    speaks = tuple(
        int(str(value))
        for (value,) in _rows(home, "SELECT value FROM meta WHERE name IN ('schema', 'patch') ORDER BY name DESC")
    )
    assert speaks == schema.wanted()
    assert len(list(home.glob("nebula-before-*.db"))) == 1, "a copy was put aside"
    assert _rows(home, 'SELECT * FROM "job" ORDER BY "id"') == jobs


def test_a_newer_one_is_read_as_far_as_that_goes(home: Path, program: Program, damaged: Callable[[str], None]) -> None:
    damaged("UPDATE meta SET value='99' WHERE name IN ('schema', 'patch')")
    assert program("vm", "list").status == 0
    refused = program("vmgroup", "list")
    assert refused.status == 1
    assert "no such table: vmgroup" in refused.err
    assert list(home.glob("nebula-before-*.db")) == []


@pytest.fixture
def damaged(home: Path) -> Callable[[str], None]:
    """Runs SQL in the home's file."""

    def run(sql: str) -> None:
        connection = sqlite3.connect(home / "nebula.db")
        connection.execute(sql)
        connection.commit()
        connection.close()

    return run

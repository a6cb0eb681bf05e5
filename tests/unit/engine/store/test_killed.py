"""The writer's process is killed inside a commit that many share: all of it is there or nothing, and whoever was answered
finds what was answered."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from nebula.clock import SystemClock
from nebula.engine.store import schema
from nebula.engine.store.backup import problems
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import ClusterRow, EventRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction
from tests.crash.world import StatementKill, When
from tests.support.store_contract import Gate

TOGETHER = 8
STATEMENTS = (
    ("SAVEPOINT one", 1),
    ("SAVEPOINT one", TOGETHER),
    ("RELEASE SAVEPOINT one", 2),
    ("RELEASE SAVEPOINT one", TOGETHER + 1),
    ("COMMIT", 2),
)
"""Counted from when the write before them is let go, which has its own release and commit."""


def _write_and_die(home: Path, killed: StatementKill, answers: Connection) -> None:
    """Eight writes wait together behind one that is held up; each tells its number when it is answered."""
    store = Store(parse_url("", home), SystemClock())
    gate = Gate(store)
    for number in range(TOGETHER):
        store.submit(lambda tx, number=number: _insert(tx, number)).add_done_callback(  # type: ignore[misc]
            lambda future: answers.send(future.result())
        )
    killed()
    gate.open()
    store.close()


def _insert(tx: Transaction, number: int) -> str:
    tx.event("made", "cluster", number)
    return tx.insert(ClusterRow(name=f"n{number}")).name


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("beginning", "number"), STATEMENTS)
def test_killed_inside_a_shared_commit(tmp_path: Path, beginning: str, number: int, when: When) -> None:
    location = parse_url("", tmp_path)
    schema.prepare(location, put_aside=lambda: None)
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("forkserver").Process(
        target=_write_and_die, args=(tmp_path, StatementKill(beginning, number, when), theirs)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    answered = [ours.recv() for _ in range(TOGETHER) if ours.poll()]
    store = Store(location, SystemClock())
    try:
        there = [row.name for row in store.read().select(ClusterRow)]
        assert len(there) in {0, TOGETHER}
        assert set(answered) <= set(there)
        assert store.read().count(EventRow) == len(there)
    finally:
        store.close()
    assert problems(location) == []

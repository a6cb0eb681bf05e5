"""nebula db backup, restore and check, while a daemon runs and when none does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.api.verbs import Engine
from nebula.engine.owner import owner
from nebula.engine.quick import FileLists
from tests.support.sim import sim_engine
from tests.support.ways import in_process, through_daemon
from tests.unit.cli.conftest import Program


def clusters(engine: Engine) -> list[str]:
    return [row[0] for row in engine.clusters.list(Query(columns=("name",), sort=("id",))).rows]


@pytest.fixture
def copy(home: Path, program: Program, tmp_path: Path) -> Path:
    """A copy from before the cluster "new"."""
    target = tmp_path / "copy.db"
    with in_process(home) as engine:
        engine.clusters.create("old", Call())
    assert program("db", "backup", str(target)).status == 0
    with in_process(home) as engine:
        engine.clusters.create("new", Call())
    return target


def test_while_a_daemon_runs(home: Path, program: Program, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with through_daemon(home) as engine:
        engine.clusters.create("old", Call())
        made = program("db", "backup", str(target))
        assert (made.status, made.lines) == (0, [str(target)])
        engine.clusters.create("new", Call())
        checked = program("db", "check")
        assert checked.status == 0
        assert "the database is sound" in checked.out
        refused = program("db", "restore", str(target))
        assert refused.status == 5
        assert f"process {owner(home)['pid']} (daemon) owns it" in refused.err
        assert clusters(engine) == ["default", "old", "new"]
    restored = program("db", "restore", str(target))
    assert restored.status == 0, restored.err
    with in_process(home) as local:
        assert clusters(local) == ["default", "old"]
    aside = sqlite3.connect(restored.lines[0])
    assert [name for (name,) in aside.execute("SELECT name FROM cluster ORDER BY id")] == ["default", "old", "new"]
    aside.close()


@pytest.mark.parametrize("page", [0, 1, 5])
def test_a_damaged_copy_is_refused_and_nothing_changes(home: Path, program: Program, copy: Path, page: int) -> None:
    data = bytearray(copy.read_bytes())
    data[page * 4096 : page * 4096 + 120] = bytes(value ^ 0xFF for value in data[page * 4096 : page * 4096 + 120])
    copy.write_bytes(bytes(data))
    refused = program("db", "restore", str(copy))
    assert refused.status == 1
    assert str(copy) in refused.err
    assert "hint: " in refused.err
    assert [file.name for file in home.glob("*before*")] + [file.name for file in home.glob("*restoring*")] == []
    with in_process(home) as engine:
        assert clusters(engine) == ["default", "old", "new"]


def test_a_database_that_is_damaged_is_found_kept_and_replaced(home: Path, program: Program, copy: Path) -> None:
    damaged = b"\xa5" * 8192 + (home / "nebula.db").read_bytes()[8192:]
    (home / "nebula.db").write_bytes(damaged)
    assert program("db", "check").status == 1
    restored = program("db", "restore", str(copy))
    assert restored.status == 0, restored.err
    assert Path(restored.lines[0]).read_bytes() == damaged
    with in_process(home) as engine:
        assert clusters(engine) == ["default", "old"]
    assert program("db", "check").status == 0


def test_an_emptied_database_is_not_begun_anew(home: Path, program: Program, copy: Path) -> None:
    for log in home.glob("nebula.db-*"):
        log.unlink()
    (home / "nebula.db").write_bytes(b"")
    for words in (("vm", "list"), ("status",), ("db", "check"), ("cluster", "create", "other")):
        found = program(*words)
        assert found.status == 1, words
        assert "is damaged" in (said := found.out + found.err), words
        assert "nebula db restore" in said, words
    assert program("db", "restore", str(copy)).status == 0
    with in_process(home) as engine:
        assert clusters(engine) == ["default", "old"]


@pytest.mark.parametrize("name", ["a?mode=rw", "per%41cent", "num#ber", "wide 家"])
def test_a_home_may_be_called_anything(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with in_process(home) as engine:
        engine.clusters.create("old", Call())
    lists = FileLists(str(home / "nebula.db"), lambda: pytest.fail("the file has all that is asked for"))
    assert lists.list("cluster", Query(columns=("name",), sort=("id",))).rows == [["default"], ["old"]]
    lists.close()


@pytest.fixture
def furnished(home: Path) -> Iterator[sqlite3.Connection]:
    """The database of a home with a VM, opened behind the engine's back."""
    with sim_engine(home) as sim:
        sim.add_vm("one", HOST="h2")
    connection = sqlite3.connect(home / "nebula.db", isolation_level=None)
    yield connection
    connection.close()


WRONG = {
    "UPDATE vm SET host_id=77": "vm 1: its host_id is 77, and there is no such host",
    "DELETE FROM datastore WHERE name='disks'": "image 1: its datastore_id is 4, and there is no such datastore",
    "DELETE FROM network": "lease 1: its network_id is 1, and there is no such network",
    "DELETE FROM cluster": "host 1: its cluster_id is 1, and there is no such cluster",
    "UPDATE vm SET body=X'7B226469' WHERE id=1": "vm 1 cannot be read",
    "UPDATE host SET body=replace(body, ':', ';') WHERE id=2": "host 2 cannot be read",
    "UPDATE job SET step='many' WHERE id=1": "job 1 cannot be read",
}


@pytest.mark.parametrize("damage", WRONG)
def test_rows_that_make_no_sense_are_found(program: Program, furnished: sqlite3.Connection, damage: str) -> None:
    assert program("db", "check").status == 0
    furnished.execute(damage)
    found = program("db", "check", "--format", "json")
    assert found.status == 1
    assert WRONG[damage] in found.out
    assert "nebula db restore" in found.out


def test_flipped_bytes_in_any_table_are_found(home: Path, program: Program, furnished: sqlite3.Connection) -> None:
    furnished.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    roots = dict(furnished.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage>1"))
    furnished.close()
    whole = (home / "nebula.db").read_bytes()
    for name, page in roots.items():
        start = (page - 1) * 4096
        (home / "nebula.db").write_bytes(whole[:start] + bytes([whole[start] ^ 0x40]) + whole[start + 1 :])
        assert program("db", "check").status == 1, name

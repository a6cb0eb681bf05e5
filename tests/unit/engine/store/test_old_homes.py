"""Homes that older programs left with jobs of every sort under way: the present program opens them, and all ends well."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nebula.clock import SystemClock
from nebula.engine.api.values import Call
from nebula.engine.local.engine import own
from nebula.engine.store import schema
from nebula.engine.store.backup import problems
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import JobRow, NetworkRow
from nebula.errors import CapacityError, VersionError
from tests.crash.world import assert_sound
from tests.support.old_home import opened
from tests.support.sim import Sim, until

HOMES = {folder.name: folder for folder in sorted((Path(__file__).parents[3] / "data" / "homes").iterdir())}
ENDS = {
    "cold": "RUNNING",
    "first": "RUNNING",
    "held": "HOLD",
    "idle": "POWEROFF",
    "leaving": "RUNNING",
    "live": "RUNNING",
    "off": "POWEROFF",
    "second": "RUNNING",
    "undone": "BOOT_FAILURE",
    "waiting": "RUNNING",
}


class ThatDay(SystemClock):
    """The clock on the day on which a home was left."""

    def __init__(self, home: Path) -> None:
        self._behind = SystemClock().now() - _one(home, "SELECT MAX(at) FROM event")

    def now(self) -> float:
        return super().now() - self._behind


def _one(home: Path, sql: str) -> float:
    connection = sqlite3.connect(home / "nebula.db")
    try:
        return float(connection.execute(sql).fetchone()[0])
    finally:
        connection.close()


def _version(home: Path) -> tuple[int, int]:
    return int(_one(home, "SELECT value FROM meta WHERE name='schema'")), int(
        _one(home, "SELECT value FROM meta WHERE name='patch'")
    )


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A home that was left behind."""
    return opened(HOMES[request.param], tmp_path / "home")


def test_the_first_released_tables_are_among_them() -> None:
    assert "1.0" in HOMES
    assert all(tuple(map(int, name.split("."))) <= schema.wanted() for name in HOMES)


def test_its_jobs_end_well(home: Path) -> None:
    sim = Sim(home, clock=ThatDay(home))
    try:
        until(lambda: not sim.rows(JobRow, "\"state\" IN ('ready','running','waiting')"), "the end of all jobs", 30.0)
        sim.settle()
        failed = {row.kind: row.error.get("message", "") for row in sim.rows(JobRow, "\"state\"<>'done'")}
        assert set(failed) == {"vm.deploy"}, failed
        assert "hypervisor.start failed" in failed["vm.deploy"]
        assert sim.where("leaving") != "h4"
        assert sim.rows(NetworkRow, "\"name\"='old'") == []
        assert sim.host("h5").state == 2
        again = sim.engine.vms.poweroff("idle", Call(actor="tester", key="asked-once"))
        assert sim.job(again.job_id).state == "done", "a key of the old program's still gets its answer"
    finally:
        sim.close()
    assert assert_sound(home) == ENDS
    assert problems(parse_url("", home)) == []
    assert _version(home) == schema.wanted()


def test_a_copy_of_an_older_file_is_put_aside_first(home: Path) -> None:
    before, events = _version(home), _one(home, "SELECT COUNT(*) FROM event")
    _open_and_close(home)
    copies = list(home.glob("nebula-before-*.db"))
    assert len(copies) == int(before != schema.wanted())
    for copy in copies:
        (home / "aside").mkdir()
        copy.rename(home / "aside" / "nebula.db")
        assert (_version(home / "aside"), _one(home / "aside", "SELECT COUNT(*) FROM event")) == (before, events)


def _open_and_close(home: Path) -> None:
    engine = own(home, "test")
    assert engine is not None
    engine.close()


def _full_disk(home: Path, call: Callable[[], object]) -> None:
    """No file of this process grows beyond half of the database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((home / "nebula.db").stat().st_size // 2, hard))
    try:
        call()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_during_that_copy_changes_nothing(tmp_path: Path) -> None:
    home = opened(HOMES["1.0"], tmp_path / "home")
    with pytest.raises(CapacityError) as failure:
        _full_disk(home, lambda: own(home, "test"))
    assert "nebula-before-" in str(failure.value)
    assert "df -h" in failure.value.hint
    assert _version(home) == (1, 0)
    assert list(home.glob("nebula-before-*")) == []
    _open_and_close(home)
    assert _version(home) == schema.wanted()


def test_a_newer_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    home = opened(HOMES["1.0"], tmp_path / "home")
    connection = sqlite3.connect(home / "nebula.db")
    connection.execute("UPDATE meta SET value='99' WHERE name='schema'")
    connection.commit()
    connection.close()
    with pytest.raises(VersionError) as failure:
        own(home, "test")
    assert "newer nebula" in failure.value.hint
    assert failure.value.exit_status == 5
    assert list(home.glob("nebula-before-*")) == []

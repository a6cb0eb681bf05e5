"""The engine's own file: copies, damage, a full disk, an older program's file, and that an idle engine leaves it alone."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebula.clock import SystemClock
from nebula.drivers.sim.faults import FOREVER
from nebula.engine.local.engine import own, read_only
from nebula.engine.store import schema
from nebula.engine.store.backup import backup, problems, restore
from nebula.engine.store.database import Location, parse_url
from nebula.engine.store.rows import ClusterRow, JobRow, VmRow
from nebula.engine.store.store import Store
from nebula.engine.store.writer import _LOGGED
from nebula.errors import CapacityError, ConflictError, NebulaError, OwnerError, UsageError, VersionError
from tests.support.sim import CALL, Sim, sim_engine, template, until


@pytest.fixture
def location(tmp_path: Path) -> Location:
    found = parse_url("", tmp_path)
    schema.prepare(found, put_aside=lambda: None)
    return found


@pytest.fixture
def store(location: Location) -> Iterator[Store]:
    made = Store(location, SystemClock())
    yield made
    made.close()


def add(store: Store, name: str, *, size: int = 0) -> None:
    store.write(lambda tx: tx.insert(ClusterRow(name=name, baseline="x" * size)))


def names(path: str) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM cluster ORDER BY id")]
    finally:
        connection.close()


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond that: what a full disk is, without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- a full disk


def test_a_full_disk_is_a_capacity_error_and_the_file_stays_sound(store: Store, location: Location) -> None:
    add(store, "before")
    with files_at_most(256 << 10):
        with pytest.raises(CapacityError) as failure:
            add(store, "large", size=1 << 20)
        assert location.path in str(failure.value)
        assert failure.value.hint
    add(store, "after")
    assert problems(location) == []
    assert names(location.path) == ["before", "after"]


def test_a_cache_that_spills_onto_a_full_disk_is_a_capacity_error_too(store: Store, location: Location) -> None:
    add(store, "before")
    with files_at_most(1 << 20), pytest.raises(CapacityError):
        add(store, "huge", size=32 << 20)
    add(store, "after")
    assert names(location.path) == ["before", "after"]


# --- the log


def test_the_log_goes_into_the_file_after_many_writes(store: Store, location: Location, tmp_path: Path) -> None:
    for number in range(_LOGGED - 1):
        add(store, f"n{number}")
    assert len(_without_log(location, tmp_path)) == 0, "no answer waited for it"
    add(store, "last")
    until(lambda: len(_without_log(location, tmp_path)) == _LOGGED, "the log in the file")
    size = Path(location.path + "-wal").stat().st_size
    for number in range(3 * _LOGGED):
        add(store, f"more{number}")
    assert Path(location.path + "-wal").stat().st_size < 2 * size, "the log begins anew"


def _without_log(location: Location, tmp_path: Path) -> list[str]:
    """What is in the file itself; by another process, which disturbs no lock of ours."""
    copy = tmp_path / "copy.db"
    subprocess.run(["cp", location.path, copy], check=True)
    return names(str(copy))


# --- copies


def test_a_backup_is_whole_private_and_never_overwrites(store: Store, location: Location, tmp_path: Path) -> None:
    add(store, "kept")
    target = backup(location, tmp_path / "copy.db")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(str(target)) == ["kept"]
    with pytest.raises(ConflictError):
        backup(location, target)
    with pytest.raises(NebulaError):
        backup(location, tmp_path / "nowhere" / "copy.db")


def test_restore_puts_a_copy_in_place_and_the_present_one_aside(location: Location, tmp_path: Path) -> None:
    store = Store(location, SystemClock())
    add(store, "old")
    copy = backup(location, tmp_path / "copy.db")
    add(store, "new")
    store.close()
    assert restore(location, copy, dry_run=True) is None
    assert names(location.path) == ["old", "new"], "a dry run only looks"
    aside = restore(location, copy)
    assert names(location.path) == ["old"]
    assert aside is not None
    assert names(str(aside)) == ["old", "new"]
    assert stat.S_IMODE(Path(location.path).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8192])
def test_restore_refuses_what_is_no_database_and_changes_nothing(location: Location, tmp_path: Path, content: bytes) -> None:
    store = Store(location, SystemClock())
    add(store, "kept")
    store.close()
    broken = tmp_path / "broken.db"
    broken.write_bytes(content)
    with pytest.raises(NebulaError):
        restore(location, broken)
    assert names(location.path) == ["kept"]


def test_restore_refuses_a_newer_copy(store: Store, location: Location, tmp_path: Path) -> None:
    copy = backup(location, tmp_path / "copy.db")
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE meta SET value='99' WHERE name='schema'")
    connection.commit()
    connection.close()
    with pytest.raises(VersionError):
        restore(location, copy)


def test_restore_of_no_file_is_a_usage_error(location: Location, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        restore(location, tmp_path / "missing.db")


def test_copies_of_a_server_are_its_own_tools_work(tmp_path: Path) -> None:
    server = parse_url("postgresql://nebula@localhost/nebula", tmp_path)
    with pytest.raises(UsageError, match="server"):
        backup(server, tmp_path / "copy.db")


# --- damage


def test_a_sound_file_has_no_problems(store: Store, location: Location) -> None:
    add(store, "a")
    assert problems(location) == []


@pytest.mark.parametrize("start", [0, 4096])
def test_damage_is_found(location: Location, start: int) -> None:
    store = Store(location, SystemClock())
    for number in range(200):
        add(store, f"n{number}", size=500)
    store.close()
    path = Path(location.path)
    data = bytearray(path.read_bytes())
    data[start : start + 4096 * 8] = b"\xa5" * len(data[start : start + 4096 * 8])
    path.write_bytes(bytes(data))
    assert problems(location) != []


def test_an_engine_on_a_damaged_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "nebula.db").write_bytes(b"\xa5" * 8192)
    with pytest.raises(NebulaError, match=r"nebula\.db"):
        own(tmp_path, "test")
    (tmp_path / "nebula.db").unlink()
    engine = own(tmp_path, "test")
    assert engine is not None, "the failed owner let go"
    engine.close()


def test_reading_where_there_is_no_file_says_so(tmp_path: Path) -> None:
    engine = read_only(tmp_path)
    try:
        with pytest.raises(NebulaError, match=r"nebula\.db"):
            engine.vms.show("1")
    finally:
        engine.close()


# --- other programs' files


def test_an_older_file_is_put_aside_and_its_jobs_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sim_engine(home, furnished=False) as sim:
        order = sim.world.faults.error("*", "datastore.create_disk", "unreachable", FOREVER)
        job = sim.engine.vms.create(template("one"), CALL)
        until(lambda: [row for row in sim.rows(JobRow) if row.state == "waiting"], "a waiting job")
        sim.world.faults.release(order)
        change = lambda queries: queries.execute('ALTER TABLE "job" ADD COLUMN "made_up" INTEGER')  # noqa: E731
        monkeypatch.setattr(schema, "SCHEMA", (*schema.SCHEMA, ("widen", change)))
        sim.restart()
        sim.await_state(job.name, "RUNNING")
        sim.settle()
        sim.assert_sound()
    copies = list(home.glob("nebula-before-*.db"))
    assert len(copies) == 1
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600


def test_a_newer_file_is_refused_untouched(home: Path) -> None:
    connection = sqlite3.connect(home / "nebula.db")
    connection.execute("UPDATE meta SET value='99' WHERE name='schema'")
    connection.commit()
    connection.close()
    with pytest.raises(VersionError, match="newer"):
        own(home, "test")
    assert list(home.glob("nebula-before-*.db")) == []


# --- an idle engine


def test_an_idle_engine_without_vms_writes_nothing(home: Path) -> None:
    with sim_engine(home, furnished=False) as sim:
        assert sim.engine.monitor.first_looks(10)
        _quiet(sim)
        before, commits = _marks(home), sim.engine.services.store.commits
        looks = _looks(sim)
        while min(_looks(sim)) < min(looks) + 5:
            time.sleep(0.01)
        assert sim.engine.services.store.commits == commits
        assert _marks(home) == before


def test_a_lost_owner_of_the_home_can_write_nothing(sim: Sim) -> None:
    connection = sqlite3.connect(sim.home / "nebula.db")
    connection.execute("UPDATE meta SET value=value+1 WHERE name='epoch'")
    connection.commit()
    connection.close()
    with pytest.raises(OwnerError):
        sim.engine.clusters.create("mine", CALL)
    assert [row.name for row in sim.rows(ClusterRow)] == ["default"]
    assert sim.rows(VmRow) == []


def _quiet(sim: Sim) -> None:
    """The first two looks write a host's figures."""
    while min(_looks(sim)) < 3:
        time.sleep(0.01)


def _looks(sim: Sim) -> list[int]:
    return [sim.engine.monitor.recent.looks(host.id) for host in (sim.host(name) for name in ("h1", "h2", "h3"))]


def _marks(home: Path) -> list[tuple[str, int, int]]:
    return [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(home.glob("nebula.db*"))
        if path.suffix != ".db-shm"
    ]

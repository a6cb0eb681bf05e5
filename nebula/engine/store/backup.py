"""Copies of the database, and whether it is sound."""

from __future__ import annotations

import os
import sqlite3
import time
from itertools import chain, count
from pathlib import Path

from nebula.engine.store import schema
from nebula.engine.store.database import Location, as_error, connect, from_database, open_sqlite, where
from nebula.engine.store.promised import wrong
from nebula.engine.store.references import dangling, unreadable
from nebula.engine.store.transaction import Queries
from nebula.errors import CapacityError, ConflictError, NebulaError, UsageError

_SKIPPED = 10_000
"""Ids that a restored database leaves out."""
_COUNTED = """INSERT INTO "sqlite_sequence" ("name", "seq") SELECT "name", 0 FROM "sqlite_master" WHERE "type"='table'
    AND "sql" LIKE '%AUTOINCREMENT%' AND "name" NOT IN (SELECT "name" FROM "sqlite_sequence")"""
"""SQLite counts a table's ids from its first row on."""
SKIPPED_VMS = "skipped_vms"
"""The name in `meta` of the VMs' ids that were left out so, as "13-10012,…": who may have them is not known here."""
_LOGS = ("-wal", "-shm")


def backup(location: Location, target: Path) -> Path:
    """A consistent copy, 0600, while others work; nothing is left where it fails.

    Raises ConflictError if the file exists already, CapacityError if it does not fit on its disk.
    """
    _only_sqlite(location)
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise ConflictError(f"{target} exists already", hint="choose a file that does not exist yet") from None
    except OSError as error:
        raise NebulaError(f"{target} cannot be written", cause=str(error), hint="choose another place") from error
    try:
        _copy(location, target)
    except (OSError, sqlite3.DatabaseError) as error:
        _remove(target)
        raise _no_copy(error, location, target) from error
    except BaseException:
        _remove(target)
        raise
    return target


def _copy(location: Location, target: Path) -> None:
    source = open_sqlite(location.path, readonly=True)
    try:
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        finally:
            copy.close()
    finally:
        source.close()
    _sync(target)


def _no_copy(error: OSError | sqlite3.DatabaseError, location: Location, target: Path) -> NebulaError:
    """Why there is no copy, as one of the tree: a disk that is full is the copy's, all else is the database's."""
    if isinstance(error, OSError) or "full" in str(error) or "I/O" in str(error):
        return CapacityError(
            f"the database could not be copied to {target}", cause=str(error), hint=f"free space there: df -h {target.parent}"
        )
    return as_error(error, location.path)


def restore(location: Location, source: Path, *, dry_run: bool = False) -> Path | None:
    """Put a copy in the database's place; the one that was there is put aside and its path returned.

    The caller owns the home. The database is the old one or the copy at any moment. Raises NebulaError for a file that is
    no sound database, VersionError for a newer one. A dry run ends after these.
    """
    _only_sqlite(location)
    if not source.is_file():
        raise UsageError(f"{source} is no file", hint="nebula db restore FILE")
    copy = Location(dialect=location.dialect, path=str(source))
    _check_copy(copy)
    if dry_run:
        return None
    present = Path(location.path)
    fresh = present.with_suffix(".restoring")
    _remove(fresh)
    backup(copy, fresh)
    try:
        _count_on(fresh)
        aside = _out_of_the_way(location) if present.exists() else None
    except BaseException:
        _remove(fresh)
        raise
    fresh.replace(present)
    _sync(present.parent)
    return aside


def _count_on(fresh: Path) -> None:
    """Objects made since the copy was taken may still be on hosts under their ids: the next ones are well beyond, also where
    the copy has none of their kind yet. Likewise the owner's epoch.
    """
    connection = sqlite3.connect(fresh)
    try:
        with connection:
            connection.execute(_COUNTED)
            _remember_skipped(connection)
            connection.execute('UPDATE "sqlite_sequence" SET "seq"="seq"+?', (_SKIPPED,))
            connection.execute('UPDATE "meta" SET "value"="value"+? WHERE "name"=?', (_SKIPPED, "epoch"))
    finally:
        connection.close()


def _remember_skipped(connection: sqlite3.Connection) -> None:
    """Ids of VMs that will be left out are not to be taken for those of VMs that are gone."""
    ((last,),) = connection.execute('SELECT "seq" FROM "sqlite_sequence" WHERE "name"=?', ("vm",))
    before = [value for (value,) in connection.execute('SELECT "value" FROM "meta" WHERE "name"=?', (SKIPPED_VMS,))]
    connection.execute('DELETE FROM "meta" WHERE "name"=?', (SKIPPED_VMS,))
    value = ",".join([*before, f"{last + 1}-{last + _SKIPPED}"])
    connection.execute('INSERT INTO "meta" ("name", "value") VALUES (?, ?)', (SKIPPED_VMS, value))


def _out_of_the_way(location: Location) -> Path | None:
    """Put the present database aside, and see that no log of it is left that would be taken for the new one's."""
    present = Path(location.path)
    try:
        aside = put_aside(location, present.parent)
        connection = open_sqlite(location.path)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except CapacityError:
        raise
    except (NebulaError, sqlite3.DatabaseError):
        aside = _aside_name(present.parent)  # too damaged to be copied: kept as it is
        for suffix in _LOGS:
            if Path(location.path + suffix).exists():
                Path(location.path + suffix).replace(f"{aside}{suffix}")
        os.link(present, aside)
    for suffix in _LOGS:
        Path(location.path + suffix).unlink(missing_ok=True)
    return aside


def put_aside(location: Location, home: Path) -> Path | None:
    """A copy beside the database before it is changed."""
    if location.dialect.kind != "sqlite":
        return None
    return backup(location, _aside_name(home))


def _aside_name(home: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    names = (home / f"nebula-before-{stamp}-{os.getpid()}{more}.db" for more in (f"-{n}" for n in count(2)))
    first = home / f"nebula-before-{stamp}-{os.getpid()}.db"
    return next(name for name in chain((first,), names) if not name.exists())


def problems(location: Location) -> list[str]:
    """What is wrong with the database; empty: nothing."""
    try:
        connection = connect(location, readonly=True)
    except NebulaError as error:
        return [str(error)]
    queries = Queries(connection, location.dialect)
    try:
        damage = _damage(queries) if location.dialect.kind == "sqlite" else []
        return damage or [*unreadable(queries), *dangling(queries), *wrong(queries)]
    except Exception as error:
        if not from_database(error):
            raise
        return [str(as_error(error, where(location)))]
    finally:
        connection.close()


def _damage(queries: Queries) -> list[str]:
    return [str(row[0]) for row in queries.rows("PRAGMA integrity_check(20)") if row[0] != "ok"]


def _check_copy(copy: Location) -> None:
    found = ""
    try:
        connection = open_sqlite(copy.path, readonly=True)
        try:
            queries = Queries(connection, copy.dialect)
            found = "; ".join(_damage(queries))
            have = schema.versions(queries)
        finally:
            connection.close()
    except (sqlite3.DatabaseError, NebulaError) as error:
        cause = error.cause if isinstance(error, NebulaError) else str(error)
        raise NebulaError(f"{copy.path} is no database of nebula", cause=cause, hint="nebula db restore FILE") from error
    if found or have is None:
        raise NebulaError(f"{copy.path} is no sound database of nebula", cause=found[:1000], hint="use another copy")
    schema.check(have)


def _remove(file: Path) -> None:
    for suffix in ("", "-journal", *_LOGS):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _only_sqlite(location: Location) -> None:
    if location.dialect.kind != "sqlite":
        raise UsageError("the engine's database is on a server: use its own tools for copies", hint="pg_dump or mariadb-dump")

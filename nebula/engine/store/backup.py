"""Copies of the database, and whether it is sound."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from nebula.engine.store import schema
from nebula.engine.store.database import Location, open_sqlite
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError, NebulaError, UsageError

_SKIPPED = 10_000
"""Ids that a restored database leaves out."""


def backup(location: Location, target: Path) -> Path:
    """A consistent copy, 0600, while others work; ConflictError if the file exists already."""
    _only_sqlite(location)
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise ConflictError(f"{target} exists already", hint="choose a file that does not exist yet") from None
    except OSError as error:
        raise NebulaError(f"{target} cannot be written", cause=str(error), hint="choose another place") from error
    source = open_sqlite(location.path, readonly=True)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
        source.close()
    with target.open("rb") as handle:
        os.fsync(handle.fileno())
    return target


def restore(location: Location, source: Path) -> Path | None:
    """Put a copy in the database's place; the one that was there is put aside and its path returned.

    The caller owns the home. Raises NebulaError for a file that is no sound database, VersionError for a newer one.
    """
    _only_sqlite(location)
    if not source.is_file():
        raise UsageError(f"{source} is no file", hint="nebula db restore FILE")
    _check_copy(source)
    present = Path(location.path)
    aside = put_aside(location, present.parent) if present.exists() else None
    fresh = present.with_suffix(".restoring")
    fresh.unlink(missing_ok=True)
    copy = Location(dialect=location.dialect, path=str(source))
    backup(copy, fresh)
    _skip_ids(fresh)
    for suffix in ("-wal", "-shm"):
        Path(location.path + suffix).unlink(missing_ok=True)
    fresh.replace(present)
    return aside


def _skip_ids(fresh: Path) -> None:
    """Objects made since the copy was taken may still be on hosts under their ids: the next ones are well beyond."""
    connection = sqlite3.connect(fresh)
    try:
        with connection:
            connection.execute('UPDATE "sqlite_sequence" SET "seq"="seq"+?', (_SKIPPED,))
    finally:
        connection.close()


def put_aside(location: Location, home: Path) -> Path | None:
    """A copy beside the database before it is changed."""
    if location.dialect.kind != "sqlite":
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    target = home / f"nebula-before-{stamp}-{os.getpid()}.db"
    return backup(location, target)


def problems(location: Location) -> list[str]:
    """What is wrong with the file; empty: nothing."""
    if location.dialect.kind != "sqlite":
        return []
    try:
        connection = open_sqlite(location.path, readonly=True)
    except NebulaError as error:
        return [str(error)]
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        keys = [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    finally:
        connection.close()
    return [item for item in found if item != "ok"] + keys


def _check_copy(source: Path) -> None:
    connection = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    try:
        sound = connection.execute("PRAGMA integrity_check(1)").fetchone()
        from nebula.engine.store.database import SQLITE

        have = schema.versions(Queries(connection, SQLITE))
    except sqlite3.DatabaseError as error:
        raise NebulaError(f"{source} is no database of nebula", cause=str(error), hint="nebula db restore FILE") from error
    finally:
        connection.close()
    if sound != ("ok",) or have is None:
        raise NebulaError(f"{source} is no sound database of nebula", cause=str(sound), hint="use another copy")
    schema.check(have)


def _only_sqlite(location: Location) -> None:
    if location.dialect.kind != "sqlite":
        raise UsageError("the engine's database is on a server: use its own tools for copies", hint="pg_dump or mariadb-dump")

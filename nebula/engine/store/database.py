"""Where the rows are: SQLite by default, MariaDB/MySQL or PostgreSQL by URL; and how each of them is spoken to.

SQLite needs no peewee to be read, so that a listing does not pay for its import.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import quote, unquote, urlsplit

import msgspec

from nebula import timeouts
from nebula.errors import MissingLibraryError, NebulaError, UnreachableError, UsageError

Kind = Literal["sqlite", "mysql", "postgres"]


class Connection(Protocol):
    """The part of the DB-API that is used."""

    def cursor(self) -> Any:
        """A new cursor."""
        ...

    def close(self) -> None:
        """Close."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between the databases in the SQL that we send."""

    kind: Kind
    parameter: str
    quote: str
    begin: str
    returning: bool
    """Whether an insert tells its id by RETURNING (else by lastrowid)."""

    def name(self, identifier: str) -> str:
        """A column or table name, quoted. Identifiers come from the code, never from people."""
        return f"{self.quote}{identifier}{self.quote}"

    def sql(self, text: str) -> str:
        """Our SQL (`?` parameters, double-quoted names) in this dialect."""
        if self.kind == "sqlite":
            return text
        return text.replace("%", "%%").replace("?", self.parameter).replace('"', self.quote)


SQLITE = Dialect(kind="sqlite", parameter="?", quote='"', begin="BEGIN IMMEDIATE", returning=False)
MYSQL = Dialect(kind="mysql", parameter="%s", quote="`", begin="START TRANSACTION", returning=False)
POSTGRES = Dialect(kind="postgres", parameter="%s", quote='"', begin="BEGIN", returning=True)


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A database's address. For SQLite `path`; for the others the parts of the URL."""

    dialect: Dialect
    path: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    user: str = ""
    password: str = ""
    database: str = ""


def parse_url(url: str, home: Path) -> Location:
    """`mysql://user:password@host/database`, `postgresql://…`, or empty for the home's own SQLite file.

    Raises UsageError for anything else.
    """
    if not url:
        return Location(dialect=SQLITE, path=str(home / "nebula.db"))
    parts = urlsplit(url)
    dialect = {"mysql": MYSQL, "mariadb": MYSQL, "postgres": POSTGRES, "postgresql": POSTGRES}.get(parts.scheme)
    try:
        port = parts.port or {"mysql": 3306, "postgres": 5432}.get(dialect.kind if dialect else "", 0)
    except ValueError:
        port = 0
    if dialect is None or not port or not parts.path.strip("/"):
        raise UsageError(
            f"the database URL {parts.scheme}://{parts.hostname or ''}… is not understood",
            hint="write it as postgresql://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE",
        )
    return Location(
        dialect=dialect,
        host=parts.hostname or "127.0.0.1",
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
    )


_PRAGMAS = ("foreign_keys=ON", "cache_size=-16000", "case_sensitive_like=ON")
"""The last as in the other databases: a pattern finds what a name is, not what it sounds like."""
_WRITING = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16000")
"""The log's checkpoints are the writer's (see `Writer._checkpoint`); this many pages bound it should its writes be huge."""


def open_sqlite(path: str, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with WAL, full synchronisation and foreign keys; usable from any one thread.

    Raises NebulaError for a file that cannot be opened or is no database.
    """
    target = f"file:{quote(path)}?mode={'ro' if readonly else 'rwc'}"
    try:
        if not readonly:
            _make_private(path)
        connection = sqlite3.connect(target, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0)
        for pragma in _PRAGMAS if readonly else (*_PRAGMAS, *_WRITING):
            connection.execute(f"PRAGMA {pragma}")
    except (sqlite3.DatabaseError, OSError) as error:
        raise as_error(error, path) from error
    return connection


def _make_private(path: str) -> None:
    """0600, from the first moment; the log files beside it take the same mode.

    A database that is there is never opened but by SQLite: closing any other descriptor of it would drop all locks that
    this process holds on it, and another process would then tidy away the log under our open connections.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        Path(path).chmod(0o600)


def connect(location: Location, *, readonly: bool = False) -> Connection:
    """A new connection in autocommit mode. MissingLibraryError names what to install for a database of another kind."""
    if location.dialect.kind == "sqlite":
        return open_sqlite(location.path, readonly=readonly)
    opener = _connect_mysql if location.dialect.kind == "mysql" else _connect_postgres
    try:
        connection = opener(location)
        if not readonly:
            _end_silent_transactions(connection, location.dialect)
        return connection
    except ImportError as error:
        raise MissingLibraryError(
            f"no client library for {location.dialect.kind} is installed here",
            cause=str(error),
            hint="pip install 'nebula[mysql,postgres]'",
        ) from error
    except Exception as error:
        if not from_database(error):
            raise
        raise UnreachableError(
            f"the engine's database at {where(location)} cannot be opened", cause=str(error).strip(), hint="look at its server"
        ) from error


def _end_silent_transactions(connection: Connection, dialect: Dialect) -> None:
    """See timeouts.TRANSACTION_SILENCE. MySQL itself knows nothing of the kind; MariaDB alone reads the remark."""
    seconds = max(1, round(timeouts.TRANSACTION_SILENCE))
    sql = f"SET SESSION innodb_lock_wait_timeout={seconds + 30} /*M!100300 , idle_transaction_timeout={seconds} */"
    if dialect.kind == "postgres":
        sql = f"SET idle_in_transaction_session_timeout={seconds * 1000}"
    connection.cursor().execute(sql)


def _connect_mysql(location: Location) -> Connection:
    """Sums come as whole numbers, as they do from the other databases: no column of ours has a fraction in decimals."""
    import pymysql
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import conversions

    return pymysql.connect(
        conv={**conversions, FIELD_TYPE.DECIMAL: int, FIELD_TYPE.NEWDECIMAL: int},
        host=location.host,
        port=location.port,
        user=location.user,
        password=location.password,
        database=location.database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=10,
    )


def _connect_postgres(location: Location) -> Connection:
    """Sums come as whole numbers here too."""
    import psycopg
    from psycopg.types.numeric import IntLoader

    connection = psycopg.connect(
        host=location.host,
        port=location.port,
        user=location.user,
        password=location.password,
        dbname=location.database,
        autocommit=True,
        connect_timeout=10,
    )
    connection.adapters.register_loader("numeric", IntLoader)
    return connection


def peewee_database(location: Location) -> Any:
    """The same database for peewee: it writes the tables' definitions and changes them."""
    import peewee

    if location.dialect.kind == "sqlite":
        return peewee.SqliteDatabase(location.path, pragmas={"journal_mode": "wal", "foreign_keys": 1})
    arguments: dict[str, Any] = {name: getattr(location, name) for name in ("host", "port", "user", "password")}
    if location.dialect.kind == "mysql":
        return peewee.MySQLDatabase(location.database, **arguments)
    return peewee.PostgresqlDatabase(location.database, **arguments)


def where(location: Location) -> str:
    """The database's place, for messages."""
    return location.path or f"{location.host} port {location.port} ({location.database})"


def from_database(error: BaseException) -> bool:
    """Whether one of the databases' libraries raised it, or refused a value that cannot be stored."""
    return isinstance(error, (UnicodeEncodeError, OverflowError)) or type(error).__module__.partition(".")[0] in {
        "sqlite3",
        "pymysql",
        "psycopg",
    }


def connection_lost(error: BaseException) -> bool:
    """Whether a server dropped the connection: opening another one may help."""
    dropped = type(error).__name__ in {"OperationalError", "InterfaceError", "AdminShutdown"}
    return dropped and _library(error) in {"pymysql", "psycopg"}


def _library(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def damaged(where: str, cause: str) -> NebulaError:
    """For a file that holds no database of ours any more. Looking at it would say the same; a copy helps."""
    return NebulaError(
        f"the engine's database at {where} is damaged",
        cause=cause,
        hint="nebula db restore COPY puts a copy in its place and keeps this one beside it",
    )


def as_error(error: Exception, where: str) -> NebulaError:
    """A database's own exception as one of the tree."""
    from nebula.errors import CapacityError, ConflictError, DeniedError

    text = str(error)
    if "disk is full" in text or "disk I/O" in text or "No space" in text:
        return CapacityError(
            f"the engine's database at {where} could not be written", cause=text, hint="free space there: df -h"
        )
    if any(words in text for words in ("malformed", "not a database", "no such table")):
        return damaged(where, text)
    if "unable to open" in text or "readonly database" in text:
        what = "opened" if "unable" in text else "written"
        return DeniedError(f"the engine's database at {where} cannot be {what}", cause=text, hint=f"ls -ld {where}")
    if isinstance(error, (UnicodeEncodeError, OverflowError)) or "out of range" in text.lower():
        return UsageError("a value cannot be stored", cause=text, hint="numbers of 64 bits and text in UTF-8 can")
    if "is locked" in text:
        return ConflictError(
            f"another process is in the middle of a change of the engine's database at {where}", cause=text,
            hint=f"fuser -v {where}   # if it is paused or hangs: let it go on, or end it",
        )  # fmt: skip
    if "UNIQUE" in text or "Duplicate entry" in text or "duplicate key" in text:
        return ConflictError("something of that name or address exists already", cause=text, hint="choose another one")
    return NebulaError(f"the engine's database at {where} answered with an error", cause=text, hint="nebula db check")

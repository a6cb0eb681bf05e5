"""The tables, and how an older file becomes a newer one.

Two append-only lists: SCHEMA changes tables, PATCHES change what is in them. Each entry runs once, in order; `meta`
holds how far a database is. A copy of the file is put aside first. A newer file is refused.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from nebula.engine.store.database import SQLITE, Dialect, Location, connect, damaged, peewee_database
from nebula.engine.store.promised import count_anew
from nebula.engine.store.rows import (
    ALL,
    BackupRow,
    EventRow,
    HardwareRow,
    PlanRow,
    PromisedRow,
    ReservationRow,
    RollupRow,
    ScheduleRow,
    SecurityGroupRow,
    TemplateRow,
    VmGroupMemberRow,
    VmGroupRow,
)
from nebula.engine.store.rows.base import Row, Versioned
from nebula.engine.store.rows.owned import COMMON, PRIVATE
from nebula.engine.store.transaction import Queries
from nebula.errors import NebulaError, VersionError

Change = Callable[[Queries], None]


def _without_strays(queries: Queries) -> None:
    """Plans once outlived their cluster."""
    queries.execute('DELETE FROM "plan" WHERE "cluster_id" NOT IN (SELECT "id" FROM "cluster")')


def _judge_older(queries: Queries) -> None:
    """What came of plans once stood in their bodies alone; a quarter of what was promised is worth it."""
    for number, text in queries.rows('SELECT "id", "body" FROM "plan" WHERE "helped"=?', ("",)):
        effect = json.loads(text).get("effect")
        if effect:
            helped = "yes" if effect["measured"] >= effect["promised"] / 4 else "no"
            queries.execute('UPDATE "plan" SET "helped"=? WHERE "id"=?', (helped, number))


def _give_tokens(queries: Queries) -> None:
    """Contexts could ask for a token before there was one to be had."""
    for number, text in queries.rows('SELECT "id", "body" FROM "vm" WHERE "state"<>?', (6,)):
        body = json.loads(text)
        context = body.get("template", {}).get("CONTEXT") or {}
        if any(str(context.get(name)).upper() == "YES" for name in ("TOKEN", "REPORT_READY")) and not body.get("token"):
            kept = json.dumps({**body, "token": secrets.token_hex(32)})
            queries.execute('UPDATE "vm" SET "body"=? WHERE "id"=?', (kept, number))


def _count_promised(queries: Queries) -> None:
    count_anew(queries)


def _new_tables(*kinds: type[Row]) -> Change:
    """A change that makes the tables of row types which an older database does not have."""

    def change(queries: Queries) -> None:
        for statement in _statements(queries.dialect, kinds):
            queries.execute(statement)

    return change


def _add_index(table: str, *columns: str) -> Change:
    named, listed = "_".join((table, *columns)), ", ".join(f'"{column}"' for column in columns)

    def change(queries: Queries) -> None:
        queries.execute(f'CREATE INDEX "{named}" ON "{table}" ({listed})')

    return change


def _add_columns(table: str, **columns: int | str) -> Change:
    """Columns, unless they are there (see _apply), with what rows that are there get: a number makes a column of numbers."""

    def change(queries: Queries) -> None:
        have = _columns(queries, table)
        for name, value in columns.items():
            if name in have:
                continue
            kind, text = ("VARCHAR(255)", f"'{value}'") if isinstance(value, str) else ("BIGINT", str(value))
            queries.execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" {kind} NOT NULL DEFAULT {text}')

    return change


def _columns(queries: Queries, table: str) -> set[str]:
    if queries.dialect.kind == "sqlite":
        return {str(row[1]) for row in queries.rows(f'PRAGMA table_info("{table}")')}
    schema = "DATABASE()" if queries.dialect.kind == "mysql" else "CURRENT_SCHEMA()"
    sql = f"SELECT column_name FROM information_schema.columns WHERE table_schema={schema} AND table_name=?"
    return {str(row[0]) for row in queries.rows(sql, (table,))}


def _drop_index(table: str, *columns: str) -> Change:
    named = "_".join((table, *columns))

    def change(queries: Queries) -> None:
        queries.execute(f'DROP INDEX "{named}"' + (f' ON "{table}"' if queries.dialect.kind == "mysql" else ""))

    return change


SCHEMA: tuple[tuple[str, Change], ...] = (
    ("what is promised on a host", _add_index("vm", "host_id", "state", "cpu", "memory")),
    ("is in that index", _drop_index("vm", "host_id")),
    ("requests are forgotten by their ids", _drop_index("request", "at")),
    ("roll-ups of what was measured", _new_tables(RollupRow)),
    ("plans of the DRS", _new_tables(PlanRow)),
    ("VM groups", _new_tables(VmGroupRow, VmGroupMemberRow)),
    ("where the disks of VMs without a host are", _add_columns("vm", kept_on=-1)),
    ("VMs that are to be moved", _add_columns("vm", resched=0)),
    ("are found among all others", _add_index("vm", "resched")),
    ("templates", _new_tables(TemplateRow)),
    ("VMs have a group, permissions and a template", _add_columns("vm", group="", mode=PRIVATE, template_id=-1)),
    (
        "images have a group and permissions; everybody may use those that are there",
        _add_columns("image", group="", mode=COMMON),
    ),
    ("networks, too", _add_columns("network", group="", mode=COMMON)),
    ("hosts' own hardware, and what VMs have of it", _new_tables(HardwareRow, ReservationRow)),
    ("scheduled actions", _new_tables(ScheduleRow)),
    ("backups", _new_tables(BackupRow)),
    ("security groups", _new_tables(SecurityGroupRow)),
    ("and the cards that have them", _add_columns("lease", groups="")),
    ("whether plans helped", _add_columns("plan", helped="")),
    ("aliases of cards", _add_columns("lease", parent_id=-1)),
    ("VM groups belong to a group, too, and have a mode", _add_columns("vmgroup", group="", mode=COMMON)),
    *(
        (f"locks of {table}s", _add_columns(table, locked="", locked_by="", locked_at=0))
        for table in ("backup", "image", "network", "securitygroup", "template", "vm", "vmgroup")
    ),
    ("sums of what hosts promised to VMs", _new_tables(PromisedRow)),
    ("of the VMs that are there", _count_promised),
    ("VMs of a template", _add_index("vm", "template_id", "state")),
)
"""(name, change) after the first tables; append only, never edit an entry that was released."""
PATCHES: tuple[tuple[str, Change], ...] = (
    ("plans of clusters that are gone", _without_strays),
    ("whether older plans helped", _judge_older),
    ("tokens of guests that asked for one", _give_tokens),
)
"""(name, change) of contents; append only."""


_MYSQL_TABLE = ("ENGINE=InnoDB", "ROW_FORMAT=DYNAMIC", "CHARACTER SET utf8mb4", "COLLATE utf8mb4_bin")
"""Names that differ in case or accents are different names, whatever the server's default says."""


def wanted() -> tuple[int, int]:
    """(schema version, patch version) that this program speaks; the first tables are version 1."""
    return 1 + len(SCHEMA), len(PATCHES)


def make_models(location: Location) -> tuple[Any, list[Any]]:
    """(peewee database, a peewee model a row type)."""
    database = _speaking(location)
    return database, [_model(database, kind, location.dialect) for kind in ALL]


def _model(database: Any, kind: type[Row], dialect: Dialect) -> Any:
    import peewee

    hints = get_type_hints(kind)
    fields: dict[str, Any] = {"id": _id_field(kind, dialect)}
    for name in kind.__struct_fields__:
        if name != "id":
            fields[name] = _field(hints[name], name in kind._long)
    meta = {"database": database, "table_name": kind._table, "indexes": kind._indexes, "legacy_table_names": False}
    if dialect.kind == "mysql":
        meta["table_settings"] = _MYSQL_TABLE
    return type(kind.__name__.removesuffix("Row"), (peewee.Model,), {**fields, "Meta": type("Meta", (), meta)})


def _id_field(kind: type[Row], dialect: Dialect) -> Any:
    """What people name by an id keeps it for ever: SQLite alone would give the last one's to the next."""
    import peewee

    class LastingId(peewee.AutoField):
        def ddl(self, ctx: Any) -> Any:
            return peewee.NodeList((super().ddl(ctx), peewee.SQL("AUTOINCREMENT")))

    if kind is EventRow:
        return peewee.BigAutoField()
    return LastingId() if dialect.kind == "sqlite" and issubclass(kind, Versioned) else peewee.AutoField()


def _field(hint: Any, long: bool) -> Any:
    import peewee

    if hint is int:
        return peewee.BigIntegerField()
    if hint is float:
        return peewee.DoubleField()
    if hint is str and not long:
        return peewee.CharField(max_length=255)
    if hint is bytes:
        return _long_bytes(peewee)()
    return _long_text(peewee)()


def _long_text(peewee: Any) -> Any:
    class LongTextField(peewee.TextField):  # type: ignore[misc]
        """TEXT holds only 64 KiB in MySQL; LONGTEXT there, TEXT elsewhere."""

        field_type = "LONGTEXT"

    return LongTextField


def _long_bytes(peewee: Any) -> Any:
    class LongBytesField(peewee.Field):  # type: ignore[misc]
        """BLOB holds only 64 KiB in MySQL."""

        field_type = "LONGBYTES"

    return LongBytesField


_OWN_TYPES = {
    "sqlite": {"LONGTEXT": "TEXT", "LONGBYTES": "BLOB"},
    "mysql": {"LONGTEXT": "LONGTEXT", "LONGBYTES": "LONGBLOB"},
    "postgres": {"LONGTEXT": "TEXT", "LONGBYTES": "BYTEA"},
}
"""How each database calls the types that peewee has no name for."""


_META = "SELECT 1 FROM sqlite_master WHERE type='table' AND name='meta'"


def prepare(location: Location, *, put_aside: Callable[[], object]) -> None:
    """Make or bring up the tables. `put_aside` copies an existing older database away first.

    Raises VersionError for a database that a newer program wrote, NebulaError for a file without our tables: the home's own
    has them all from the moment that it is there, so what it held is lost, and to begin anew would hide that.
    """
    if location.path and not Path(location.path).exists():
        _make_file(location)
        return
    if location.path and Path(location.path).stat().st_size == 0:
        raise damaged(location.path, "the file is empty")
    _prepare(location, put_aside)


def _make_file(location: Location) -> None:
    """Under another name until it is whole: who only reads finds all tables, or no file."""
    making = msgspec.structs.replace(location, path=f"{location.path}.making")
    for left in ("", "-wal", "-shm"):
        Path(making.path + left).unlink(missing_ok=True)
    _prepare(making, lambda: None, new=True)
    Path(making.path).rename(location.path)


def _prepare(location: Location, put_aside: Callable[[], object], *, new: bool = False) -> None:
    connection = connect(location)
    try:
        queries = Queries(connection, location.dialect)
        have = versions(queries)
        if have is None and location.path and not new and not queries.rows(_META):
            raise damaged(location.path, "it has none of nebula's tables")
        if have is None:
            _create(queries, location)
            _write_versions(queries, *wanted())
            return
        check(have)
        if have != wanted():
            put_aside()
            _upgrade(queries, have)
    finally:
        connection.close()


def versions(queries: Queries) -> tuple[int, int] | None:
    """(schema, patch) of a database; None if its tables are not (all) made yet."""
    try:
        rows = dict(queries.rows('SELECT "name", "value" FROM "meta" WHERE "name" IN (?, ?)', ("schema", "patch")))
    except Exception as error:
        if "meta" in str(error):
            return None
        raise
    if "schema" not in rows:
        return None  # whoever made the tables died before they were all there
    return int(rows["schema"]), int(rows.get("patch", 0))


def behind(queries: Queries) -> bool:
    """Whether an older program wrote the database. One that cannot be asked is not: it has other troubles."""
    try:
        have = versions(queries)
    except NebulaError:
        return False
    return have is not None and any(own < speak for own, speak in zip(have, wanted(), strict=True))


def check(have: tuple[int, int]) -> None:
    """Refuse a database from a newer program."""
    speak = wanted()
    if have[0] > speak[0] or have[1] > speak[1]:
        raise VersionError(
            f"the database is of version {have[0]}.{have[1]}, this program speaks up to {speak[0]}.{speak[1]}",
            cause="a newer nebula wrote it",
            hint="run that newer nebula, or restore an older copy with: nebula db restore FILE",
        )


def _create(queries: Queries, location: Location) -> None:
    if location.dialect == SQLITE:
        queries.execute("BEGIN IMMEDIATE")
        for statement in tables_of_sqlite():
            queries.execute(statement)
        queries.execute("COMMIT")
        return
    database, models = make_models(location)
    with database.connection_context():
        database.create_tables(models)


@cache
def tables_of_sqlite() -> tuple[str, ...]:
    """What makes all tables of a file. Putting that together takes longer than doing it, so a process does it once."""
    return tuple(_statements(SQLITE, ALL, again=True))


def _statements(dialect: Dialect, kinds: Sequence[type[Row]], *, again: bool = False) -> list[str]:
    """What makes these tables, unless they are there, and their indexes; with `again`, some of these may be there too."""
    database = _speaking(Location(dialect=dialect, path=":memory:", database="-"))
    found: list[str] = []
    for kind in kinds:
        manager = _model(database, kind, dialect)._schema
        found += [context.query()[0] for context in (manager._create_table(safe=True), *manager._create_indexes(safe=again))]
    return found


def _speaking(location: Location) -> Any:
    """The database as peewee has it, which knows our types."""
    database = peewee_database(location)
    own = _OWN_TYPES[location.dialect.kind]
    database._field_types = {**getattr(database, "_field_types", {}), **own}
    if hasattr(database, "field_types"):
        database.field_types = {**database.field_types, **own}
    return database


def _upgrade(queries: Queries, have: tuple[int, int]) -> None:
    for number, (_, change) in enumerate(SCHEMA[have[0] - 1 :], have[0] + 1):
        _apply(queries, change, "schema", number)
    for number, (_, change) in enumerate(PATCHES[have[1] :], have[1] + 1):
        _apply(queries, change, "patch", number)


def _apply(queries: Queries, change: Change, name: str, number: int) -> None:
    """One change and the note of it together, so that none runs twice (MariaDB alone commits a table's change at once)."""
    queries.execute("BEGIN")
    try:
        change(queries)
        queries.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', (str(number), name))
    except BaseException:
        queries.execute("ROLLBACK")
        raise
    queries.execute("COMMIT")


def _write_versions(queries: Queries, schema: int, patch: int) -> None:
    for name, value in (("schema", schema), ("patch", patch)):
        queries.execute('INSERT INTO "meta" ("name", "value") VALUES (?, ?)', (name, str(value)))

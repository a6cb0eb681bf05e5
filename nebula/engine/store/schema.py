"""The tables, and how an older file becomes a newer one.

Two append-only lists: SCHEMA changes tables, PATCHES change what is in them. Each entry runs once, in order; `meta`
holds how far a database is. A copy of the file is put aside first. A newer file is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from nebula.engine.store.database import Dialect, Location, connect, peewee_database
from nebula.engine.store.rows import ALL, EventRow
from nebula.engine.store.rows.base import Row, Versioned
from nebula.engine.store.transaction import Queries
from nebula.errors import VersionError

Change = Callable[[Queries], None]

SCHEMA: tuple[tuple[str, Change], ...] = ()
"""(name, change) after the first tables; append only, never edit an entry that was released."""
PATCHES: tuple[tuple[str, Change], ...] = ()
"""(name, change) of contents; append only."""


_MYSQL_TABLE = ("ENGINE=InnoDB", "ROW_FORMAT=DYNAMIC", "CHARACTER SET utf8mb4", "COLLATE utf8mb4_bin")
"""Names that differ in case or accents are different names, whatever the server's default says."""


def wanted() -> tuple[int, int]:
    """(schema version, patch version) that this program speaks; the first tables are version 1."""
    return 1 + len(SCHEMA), len(PATCHES)


def make_models(location: Location) -> tuple[Any, list[Any]]:
    """(peewee database, a peewee model a row type)."""
    database = peewee_database(location)
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
    return _long_text(peewee)()


def _long_text(peewee: Any) -> Any:
    class LongTextField(peewee.TextField):  # type: ignore[misc]
        """TEXT holds only 64 KiB in MySQL; LONGTEXT there, TEXT elsewhere."""

        field_type = "LONGTEXT"

    return LongTextField


def prepare(location: Location, *, put_aside: Callable[[], object]) -> None:
    """Make or bring up the tables. `put_aside` copies an existing older database away first.

    Raises VersionError for a database that a newer program wrote.
    """
    connection = connect(location)
    try:
        queries = Queries(connection, location.dialect)
        have = versions(queries)
        if have is None:
            _create(location)
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


def check(have: tuple[int, int]) -> None:
    """Refuse a database from a newer program."""
    speak = wanted()
    if have[0] > speak[0] or have[1] > speak[1]:
        raise VersionError(
            f"the database is of version {have[0]}.{have[1]}, this program speaks up to {speak[0]}.{speak[1]}",
            cause="a newer nebula wrote it",
            hint="run that newer nebula, or restore an older copy with: nebula db restore FILE",
        )


def _create(location: Location) -> None:
    database, models = make_models(location)
    if location.dialect.kind == "mysql":
        _accept_long_text(database, "LONGTEXT")
    else:
        _accept_long_text(database, "TEXT")
    with database.connection_context():
        database.create_tables(models)


def _accept_long_text(database: Any, sql_type: str) -> None:
    database._field_types = {**getattr(database, "_field_types", {}), "LONGTEXT": sql_type}
    if hasattr(database, "field_types"):
        database.field_types = {**database.field_types, "LONGTEXT": sql_type}


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

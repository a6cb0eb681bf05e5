"""What a write may do: read, insert, swap, delete and tell (events), all in the one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nebula.engine.store.database import Connection, Dialect
from nebula.engine.store.mapping import mapping
from nebula.engine.store.promised import SUMMED, Share, add, share
from nebula.engine.store.rows import EventRow
from nebula.engine.store.rows.base import Row, Versioned
from nebula.engine.store.rows.vm import VmRow
from nebula.errors import NotFoundError, StaleError

R = TypeVar("R", bound=Row)
V = TypeVar("V", bound=Versioned)
_WRITES = re.compile(r'(?:UPDATE|INSERT INTO|DELETE FROM) "(\w+)"')
_ROWS = 50
"""Events that one statement inserts at most."""


class Queries:
    """Reading, by any connection."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._cursor = connection.cursor()

    @property
    def dialect(self) -> Dialect:
        """How this database is spoken to."""
        return self._dialect

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Run SQL written with `?` and double quotes; returns the cursor."""
        self._cursor.execute(self._dialect.sql(sql), tuple(parameters))
        return self._cursor

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        found: list[tuple[Any, ...]] = list(self.execute(sql, parameters).fetchall())
        return found

    def select(self, kind: type[R], where: str = "", parameters: Sequence[Any] = ()) -> list[R]:
        """Rows of a type. `where` is SQL from the code: '"host_id"=? ORDER BY "id"'."""
        table = mapping(kind)
        sql = f"{table.select} WHERE {where}" if where else table.select
        return [table.load(values) for values in self.rows(sql, parameters)]

    def first(self, kind: type[R], where: str, parameters: Sequence[Any] = ()) -> R | None:
        """The first such row, or None."""
        found = self.select(kind, f"{where} LIMIT 1", parameters)
        return found[0] if found else None

    def get(self, kind: type[R], row_id: int) -> R:
        """The row with that id; NotFoundError otherwise."""
        found = self.first(kind, '"id"=?', (row_id,))
        if found is None:
            noun = kind._table.replace("_", " ")
            hint = "nebula drs history" if noun == "plan" else f"nebula {noun.split()[0]} list"
            raise NotFoundError(f"there is no {noun} with id {row_id}", hint=hint)
        return found

    def known(self, kind: type[R], row_id: int) -> R:
        """`get`, for who changes the row by `swap` alone or not at all: a transaction reads it once for all that are written
        together.
        """
        return self.get(kind, row_id)

    def kept(self, table: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: ARG002 - see Transaction
        """`rows` of one table, in the same way."""
        return self.rows(sql, parameters)

    def count(self, kind: type[Row], where: str = "1=1", parameters: Sequence[Any] = ()) -> int:
        """How many rows there are."""
        return int(self.rows(f'SELECT COUNT(*) FROM "{kind._table}" WHERE {where}', parameters)[0][0])


class Transaction(Queries):
    """One write's view of the database; everything happens or nothing.

    `now` is the writer's clock, seconds since the epoch, read once for the write.
    """

    def __init__(self, connection: Connection, dialect: Dialect, now: float) -> None:
        super().__init__(connection, dialect)
        self.now = now
        self.swapped: list[tuple[Versioned, dict[str, Any]]] = []
        self.events: list[EventRow] = []
        self._told: list[list[Any]] = []
        """Of each of them what its row says; empty where rows are written at once."""
        self.after: list[Callable[[], None]] = []
        self.shares: list[Share] = []
        """What this takes from and adds to the sums of what hosts promised to VMs."""
        self.written: set[str] = set()
        """Names of tables."""
        self._kept: dict[str, dict[Any, Any]] = {}
        """What `known` and `kept` read, by table, until it is written to."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """See Queries.execute."""
        found = _WRITES.match(sql)
        if found is not None:
            self.written.add(found[1])
            self._kept.pop(found[1], None)
        elif sql.startswith("ROLLBACK"):
            self._kept.clear()
        return super().execute(sql, parameters)

    def known(self, kind: type[R], row_id: int) -> R:
        """See Queries.known."""
        kept = self._kept.setdefault(kind._table, {})
        found: R | None = kept.get(row_id)
        if found is None:
            found = kept[row_id] = self.get(kind, row_id)
        return found

    def kept(self, table: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See Queries.kept."""
        kept, asked = self._kept.setdefault(table, {}), (sql, *parameters)
        found: list[tuple[Any, ...]] | None = kept.get(asked)
        if found is None:
            found = kept[asked] = self.rows(sql, parameters)
        return found

    def insert(self, row: R) -> R:
        """Store a new row; sets and returns it with its id."""
        table = mapping(type(row))
        if self._dialect.returning:
            row.id = int(self.execute(table.insert + ' RETURNING "id"', table.values(row)).fetchone()[0])
        else:
            row.id = int(self.execute(table.insert, table.values(row)).lastrowid)
        if isinstance(row, VmRow):
            self.shares.append(share(row, 1))
        return row

    def swap(self, row: V, **changes: Any) -> V:
        """Write some columns if nobody wrote the row since it was read; StaleError otherwise. Changes `row` too."""
        table = mapping(type(row))
        columns = tuple(changes)
        values = [table.encode(name, changes[name]) for name in columns]
        cursor = self.execute(table.update(columns, versioned=True), (*values, row.id, row.generation))
        if cursor.rowcount != 1:
            raise StaleError(
                f"{table.table} {row.id} changed while this was being prepared", hint="look at it again and repeat"
            )
        self.swapped.append((row, {name: getattr(row, name) for name in (*columns, "generation")}))
        vm: Any = row if isinstance(row, VmRow) and not SUMMED.isdisjoint(columns) else None
        if vm is not None:
            self.shares.append(share(vm, -1))
        for name in columns:
            setattr(row, name, changes[name])
        if vm is not None:
            self.shares.append(share(vm, 1))
        row.generation += 1
        self._kept[table.table] = {row.id: row}  # what is known of it by now
        return row

    def forget_swaps(self, mark: int = 0) -> None:
        """Rows swapped since `mark` are as they were: the database rolled them back."""
        for row, before in reversed(self.swapped[mark:]):
            for name, value in before.items():
                setattr(row, name, value)
        del self.swapped[mark:]

    def change(self, row: R, **changes: Any) -> R:
        """Write some columns of a row that has no generation. Changes `row` too."""
        table = mapping(type(row))
        columns = tuple(changes)
        values = [table.encode(name, changes[name]) for name in columns]
        self.execute(table.update(columns, versioned=False), (*values, row.id))
        for name in columns:
            setattr(row, name, changes[name])
        return row

    def delete(self, row: Row) -> None:
        """Delete a row by id."""
        self.execute(f'DELETE FROM "{row._table}" WHERE "id"=?', (row.id,))

    def event(self, kind: str, object_kind: str, object_id: int, /, *, actor: str = "", **body: Any) -> None:
        """Tell everybody who watches, once the transaction is durable."""
        row = EventRow(at=self.now, kind=kind, object_kind=object_kind, object_id=object_id, actor=actor, body=body)
        if self._dialect.kind != "sqlite":
            self.events.append(self.insert(row))
            return
        actor.encode()  # here, where what cannot be stored is refused to who wants it, and to nobody else
        self._told.append(mapping(EventRow).values(row))
        self.events.append(row)

    def forget_events(self, mark: int) -> None:
        """What was told since there were `mark` events did not happen."""
        del self.events[mark:], self._told[mark:]

    def finish(self) -> None:
        """The last things of a transaction: its share in the sums of hosts, and what it told."""
        add(self, self.shares)
        self._write_events()

    def _write_events(self) -> None:
        """Store what was told, in its order, many rows a statement."""
        insert = mapping(EventRow).insert_many
        for start in range(0, len(self._told), _ROWS):
            told = self._told[start : start + _ROWS]
            last = int(self.execute(insert(len(told)), [value for values in told for value in values]).lastrowid)
            first = last + 1 - len(told)  # the rows of one statement get one number after the other
            for row_id, row in enumerate(self.events[start : start + _ROWS], first):
                row.id = row_id

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this (quick, not failing) when the transaction is durable; never if it is not."""
        self.after.append(callback)

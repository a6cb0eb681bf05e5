"""What the store promises on every database, as tests: subclass `StoreContract` and give it the fixture `location`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from functools import partial
from typing import Any

import pytest

from nebula.clock import SystemClock
from nebula.engine.api.values import Query
from nebula.engine.filters import decode
from nebula.engine.listing import run
from nebula.engine.store import schema
from nebula.engine.store.database import Location, connect
from nebula.engine.store.promised import count_anew, wrong
from nebula.engine.store.rows import (
    ALL,
    ClusterRow,
    EventRow,
    HostRow,
    JobLogRow,
    LeaseRow,
    MetaRow,
    PromisedRow,
    RollupRow,
    VmRow,
)
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Queries, Transaction
from nebula.engine.store.writer import DryRun
from nebula.errors import ConflictError, NebulaError, NotFoundError, OwnerError, StaleError, VersionError

LARGE = 1 << 20
FIRST = frozenset(
    {"meta", "cluster", "host", "datastore", "image", "image_copy", "network", "address_range", "lease", "vm", "history", "job"}
    | {"job_log", "event", "request"}
)
LATER = tuple(kind._table for kind in ALL if kind._table not in FIRST)
"""Tables that the first version did not have."""
TEXTS = (
    "",
    "plain",
    "Grüße 🚀 日本",
    "100% of %s and %d",
    'it\'s "quoted" `here`',
    "back\\slash \\n",
    "a\nb\tc",
    "x" * 255,
    "?",
    "''--",
)


PATTERNS = {
    "100%*": {"100% sure"},
    "a_*": {"a_b"},
    "*!*": {"wow!"},
    "*\\*": {"back\\slash"},
    "A*": set(),
    "*": {"100% sure", "1000", "a_b", "axb", "wow!", "back\\slash"},
}


def drop(queries: Queries, tables: Sequence[str]) -> None:
    """Tables that came later, and the indexes that did."""
    for table in tables:
        queries.execute(f'DROP TABLE "{table}"')
    for index in ("vm_resched", "vm_template_id_state"):
        queries.execute(f'DROP INDEX "{index}"' + (' ON "vm"' if queries.dialect.kind == "mysql" else ""))


def text_of(size: int) -> str:
    """A long value that is not all the same."""
    return ("0123456789abcdef🚀" * (size // 17 + 1))[:size]


def cluster(name: str, **more: Any) -> ClusterRow:
    return ClusterRow(name=name, **more)


def add(store: Store, name: str, **more: Any) -> ClusterRow:
    return store.write(lambda tx: tx.insert(cluster(name, **more)))


def names(store: Store) -> list[str]:
    return [row.name for row in store.read().select(ClusterRow, '1=1 ORDER BY "id"')]


def promised(store: Store) -> dict[int, tuple[int, int, int]]:
    rows = store.read().select(PromisedRow, '"vms"<>0 OR "cpu"<>0 OR "memory"<>0')
    return {row.host_id: (row.vms, row.cpu, row.memory) for row in rows}


class Gate:
    """Keeps the writer busy with one write, so that those behind it wait together."""

    def __init__(self, store: Store) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self._future = store.submit(self._hold)
        assert self._begun.wait(10)

    def _hold(self, _: Transaction) -> None:
        self._begun.set()
        assert self._go.wait(10)

    def open(self) -> None:
        self._go.set()
        self._future.result(10)


class StoreContract:
    @pytest.fixture
    def store(self, location: Location) -> Iterator[Store]:
        schema.prepare(location, put_aside=lambda: pytest.fail("a new database is not put aside"))
        made = Store(location, SystemClock())
        yield made
        made.close()

    # --- tables

    def test_all_tables_are_there_and_empty(self, store: Store) -> None:
        for kind in ALL:
            assert store.read().count(kind) == (2 if kind is MetaRow else 0)

    def test_prepare_again_changes_nothing(self, store: Store, location: Location) -> None:
        add(store, "kept")
        schema.prepare(location, put_aside=lambda: pytest.fail("nothing to put aside"))
        assert names(store) == ["kept"]

    def test_a_newer_database_is_refused(self, store: Store, location: Location) -> None:
        store.write(lambda tx: tx.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', ("99", "schema")))
        with pytest.raises(VersionError, match=r"99\."):
            schema.prepare(location, put_aside=lambda: pytest.fail("a newer database is not touched"))

    def test_an_older_database_is_put_aside_and_brought_up_in_order(
        self, store: Store, location: Location, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(store, "old")
        done: list[str] = []

        def widen(queries: Any) -> None:
            assert done == ["aside"]
            queries.execute('ALTER TABLE "cluster" ADD COLUMN "shoe" INTEGER DEFAULT 7')
            done.append("schema")

        def patch(queries: Any) -> None:
            queries.execute('UPDATE "cluster" SET "shoe"="shoe"+1')
            done.append("patch")

        monkeypatch.setattr(schema, "SCHEMA", (*schema.SCHEMA, ("widen", widen)))
        monkeypatch.setattr(schema, "PATCHES", (*schema.PATCHES, ("patch", patch)))
        schema.prepare(location, put_aside=lambda: done.append("aside"))
        schema.prepare(location, put_aside=lambda: pytest.fail("each change runs once"))
        assert done == ["aside", "schema", "patch"]
        assert store.read().rows('SELECT "name", "shoe" FROM "cluster"') == [("old", 8)]

    def test_the_first_database_gets_the_indexes_of_a_new_one(self, store: Store, location: Location) -> None:
        queries = Queries(connect(location), location.dialect)
        of_table = ' ON "vm"' if location.dialect.kind == "mysql" else ""
        queries.execute('CREATE INDEX "vm_host_id" ON "vm" ("host_id")')
        queries.execute('CREATE INDEX "request_at" ON "request" ("at")')
        queries.execute('DROP INDEX "vm_host_id_state_cpu_memory"' + of_table)
        drop(queries, LATER)
        queries.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', ("1", "schema"))
        schema.prepare(location, put_aside=lambda: None)
        assert schema.versions(queries) == schema.wanted()
        queries.execute('CREATE INDEX "vm_host_id" ON "vm" ("host_id")')
        queries.execute('CREATE INDEX "request_at" ON "request" ("at")')
        with pytest.raises(Exception, match="vm_host_id_state_cpu_memory"):
            queries.execute('CREATE INDEX "vm_host_id_state_cpu_memory" ON "vm" ("id")')

    def test_bytes_come_back_whole(self, store: Store) -> None:
        data = bytes(range(256)) * 1024
        row = store.write(lambda tx: tx.insert(RollupRow(kind="vm", at=300.0, step=300, count=1, data=data)))
        assert bytes(store.read().get(RollupRow, row.id).data) == data

    def test_a_table_that_came_later_is_made_in_an_older_database(self, store: Store, location: Location) -> None:
        queries = Queries(connect(location), location.dialect)
        drop(queries, LATER)
        queries.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', ("4", "schema"))
        schema.prepare(location, put_aside=lambda: None)
        assert store.read().count(RollupRow) == 0
        assert schema.versions(store.read()) == schema.wanted()

    def test_tables_whose_maker_died_are_completed(self, store: Store, location: Location) -> None:
        queries = Queries(connect(location), location.dialect)
        queries.execute('DELETE FROM "meta"')
        queries.execute('DROP TABLE "lease"')
        schema.prepare(location, put_aside=lambda: pytest.fail("nothing to put aside"))
        assert store.read().count(LeaseRow) == 0
        assert store.read().count(MetaRow) == 2

    def test_a_change_that_fails_is_tried_again_the_next_time(
        self, store: Store, location: Location, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(store, "n")
        calls: list[str] = []

        def count(queries: Any) -> None:
            queries.execute('UPDATE "cluster" SET "generation"="generation"+1')

        def flaky(queries: Any) -> None:
            count(queries)
            calls.append("flaky")
            if len(calls) == 1:
                raise RuntimeError("power failed")

        monkeypatch.setattr(schema, "PATCHES", (*schema.PATCHES, ("first", count), ("flaky", flaky), ("last", count)))
        with pytest.raises(RuntimeError):
            schema.prepare(location, put_aside=lambda: None)
        schema.prepare(location, put_aside=lambda: None)
        assert calls == ["flaky", "flaky"]
        assert store.read().select(ClusterRow)[0].generation == 3

    # --- rows

    def test_insert_gives_growing_ids_that_are_never_used_again(self, store: Store) -> None:
        first, second = add(store, "a"), add(store, "b")
        assert second.id > first.id > 0
        store.write(lambda tx: tx.delete(second))
        assert add(store, "c").id > second.id

    def test_get_names_what_is_missing(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no cluster with id 4711"):
            store.read().get(ClusterRow, 4711)

    def test_texts_come_back_as_they_were(self, store: Store) -> None:
        for text in TEXTS:
            row = add(store, f"n{text}"[:255], baseline=text, body={"value": text, text: [text, None, True, 1.5]})
            assert store.read().get(ClusterRow, row.id) == row
            assert [item.id for item in store.read().select(ClusterRow, '"name"=?', (row.name,))] == [row.id]

    def test_large_values_come_back_whole(self, store: Store) -> None:
        large = text_of(LARGE)
        row = add(store, "large", baseline=large, body={"large": large})
        found = store.read().get(ClusterRow, row.id)
        assert found.baseline == large
        assert found.body["large"] == large

    def test_whole_numbers_of_64_bits(self, store: Store) -> None:
        for number in (0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)):
            new = VmRow(name="v", uuid=str(number), owner="", state=1, disk=number, body={"n": number})
            found = store.read().get(VmRow, store.write(partial(_insert, new)).id)
            assert (found.disk, found.body["n"]) == (number, number)

    def test_times_keep_their_microseconds(self, store: Store) -> None:
        store.write(lambda tx: tx.insert(JobLogRow(job_id=1, at=1_700_000_000.123456, level="info", text="")))
        assert store.read().select(JobLogRow)[0].at == 1_700_000_000.123456

    def test_names_that_differ_in_case_or_accents_are_different(self, store: Store) -> None:
        for name in ("web", "Web", "wéb", "ｗｅｂ"):
            add(store, name)
        assert len(store.read().select(ClusterRow, '"name"=?', ("web",))) == 1

    def test_swap_writes_once_a_generation(self, store: Store) -> None:
        row = add(store, "a")
        stale = store.read().get(ClusterRow, row.id)
        store.write(lambda tx: tx.swap(row, name="b"))
        with pytest.raises(StaleError):
            store.write(lambda tx: tx.swap(stale, name="c"))
        assert names(store) == ["b"]
        assert store.read().get(ClusterRow, row.id).generation == row.generation == 1

    def test_swap_with_the_same_values_is_no_conflict(self, store: Store) -> None:
        row = add(store, "a")
        store.write(lambda tx: tx.swap(row, name="a"))
        assert row.generation == 1

    def test_a_taken_name_is_a_conflict(self, store: Store) -> None:
        add(store, "a")
        with pytest.raises(ConflictError):
            add(store, "a")
        assert names(store) == ["a"]

    def test_sums_are_whole_numbers(self, store: Store) -> None:
        store.write(lambda tx: [tx.insert(VmRow(name="v", uuid=f"u{n}", owner="", state=1, memory=n)) for n in range(3)])
        found = store.read().rows('SELECT SUM("memory"), COUNT(*), MAX("id") FROM "vm"')[0]
        assert [type(value) for value in found] == [int, int, int]

    def test_what_hosts_promised_is_kept_with_each_write(self, store: Store) -> None:
        def make(tx: Transaction, number: int) -> VmRow:
            return tx.insert(VmRow(name=f"v{number}", uuid=f"u{number}", owner="", state=1, cpu=50, memory=number))

        def lost(tx: Transaction, vm: VmRow) -> None:
            tx.swap(vm, host_id=9)
            make(tx, 99)
            raise ConflictError("no")

        def dry(tx: Transaction, vm: VmRow) -> None:
            tx.swap(vm, state=6)
            raise DryRun(None)

        gate = Gate(store)
        made = [store.submit(partial(make, number=number)) for number in (1, 2, 4, 8)]
        gate.open()
        vms = [future.result(10) for future in made]
        assert promised(store) == {-1: (4, 200, 15)}
        store.write(lambda tx: [tx.swap(vm, host_id=7, state=3, lcm_state=3) for vm in vms[:2]])
        store.write(lambda tx: tx.swap(vms[1], host_id=8))
        store.write(lambda tx: tx.swap(vms[0], memory=1024, cpu=200))
        with pytest.raises(ConflictError):
            store.write(partial(lost, vm=vms[2]))
        store.write(partial(dry, vm=vms[2]))
        store.write(lambda tx: tx.swap(vms[3], state=6))
        assert promised(store) == {-1: (1, 50, 4), 7: (1, 200, 1024), 8: (1, 50, 2)}
        assert wrong(store.read()) == []
        store.write(lambda tx: tx.swap(vms[0], state=6))
        assert promised(store) == {-1: (1, 50, 4), 8: (1, 50, 2)}

    def test_sums_that_are_wrong_are_named_and_counted_anew(self, store: Store) -> None:
        store.write(lambda tx: tx.insert(VmRow(name="v", uuid="u", owner="", state=1, host_id=7, cpu=50, memory=64)))
        store.write(lambda tx: tx.execute('UPDATE "promised" SET "host_id"=8'))
        assert [line.split(":")[0] for line in wrong(store.read())] == ["host 7", "host 8"]
        assert store.write(count_anew)
        assert not store.write(count_anew)
        assert promised(store) == {7: (1, 50, 64)}

    # --- batches

    def test_those_waiting_together_share_few_commits(self, store: Store) -> None:
        add(store, "first")
        gate = Gate(store)
        before = store.commits
        futures = [store.submit(partial(_add_number, n)) for n in range(200)]
        gate.open()
        assert len({future.result(10) for future in futures}) == 200
        assert store.commits - before <= 3

    def test_a_failing_write_leaves_its_neighbours_alone(self, store: Store) -> None:
        add(store, "taken")

        def half(tx: Transaction) -> None:
            tx.insert(cluster("half"))
            tx.event("x", "cluster", 0)
            tx.after_commit(lambda: pytest.fail("it was rolled back"))
            raise ConflictError("no")

        def broken(tx: Transaction) -> None:
            tx.insert(cluster("broken"))
            raise ZeroDivisionError

        gate = Gate(store)
        works = [
            lambda tx: tx.insert(cluster("before")),
            half,
            lambda tx: tx.insert(cluster("taken")),
            broken,
            lambda tx: tx.insert(cluster("after")),
        ]
        futures = [store.submit(work) for work in works]
        gate.open()
        wait(futures, 10)
        failures = [type(future.exception()) for future in futures]
        assert failures == [type(None), ConflictError, ConflictError, ZeroDivisionError, type(None)]
        assert names(store) == ["taken", "before", "after"]
        assert store.read().count(EventRow) == 0

    def test_a_dry_run_answers_and_leaves_nothing(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.insert(cluster("dry"))
            tx.event("x", "cluster", 0)
            raise DryRun(tx.count(ClusterRow))

        assert store.write(work) == 1
        assert names(store) == []
        assert store.read().count(EventRow) == 0

    def test_an_answer_comes_after_the_commit(self, store: Store) -> None:
        seen: list[int] = []
        for number in range(20):
            store.submit(partial(_add_number, number)).add_done_callback(
                lambda _: seen.append(Store(store.location, SystemClock()).read().count(ClusterRow))
            )
        store.write(lambda tx: None)
        assert len(seen) == 20
        assert all(count > number for number, count in enumerate(seen))

    def test_events_are_told_in_order_and_only_when_durable(self, store: Store) -> None:
        told: list[tuple[int, int]] = []
        stop = store.listen(
            lambda events: told.extend(
                (event.id, Store(store.location, SystemClock()).read().count(EventRow)) for event in events
            )
        )
        for number in range(5):
            store.write(partial(_tell_number, number))
        stop()
        store.write(lambda tx: tx.event("x", "cluster", 9))
        ids = [event_id for event_id, _ in told]
        assert ids == sorted(ids)
        assert [count for _, count in told] == [1, 2, 3, 4, 5]
        assert [row.body["number"] for row in store.read().select(EventRow, '"object_id"<9 ORDER BY "id"')] == [0, 1, 2, 3, 4]

    def test_events_of_many_writes_keep_their_order_and_those_of_failed_ones_are_gone(self, store: Store) -> None:
        told: list[EventRow] = []
        store.listen(told.extend)

        def tell(tx: Transaction, number: int) -> None:
            tx.event("test.first", "cluster", number, text="first")
            tx.event("test.second", "cluster", number, actor="somebody", text=TEXTS[2])
            if number % 3 == 0:
                raise ConflictError("every third one fails")

        gate = Gate(store)
        futures = [store.submit(partial(tell, number=number)) for number in range(100)]
        gate.open()
        wait(futures, 10)
        rows = store.read().select(EventRow, '1=1 ORDER BY "id"')
        assert [(row.kind, row.object_id) for row in rows] == [
            (kind, number) for number in range(100) if number % 3 for kind in ("test.first", "test.second")
        ]
        assert rows[1].actor == "somebody"
        assert rows[1].body == {"text": TEXTS[2]}
        assert told == rows, "who follows is told of them by the ids that they have"

    def test_an_event_that_cannot_be_stored_fails_its_write_alone(self, store: Store) -> None:
        gate = Gate(store)
        good = store.submit(lambda tx: tx.event("test.good", "cluster", 1))
        bad = [
            store.submit(lambda tx: tx.event("test.bad", "cluster", 1, text="\ud800")),
            store.submit(lambda tx: tx.event("test.bad", "cluster", 1, actor="\ud800")),
        ]
        gate.open()
        good.result(10)
        for future in bad:
            with pytest.raises(NebulaError):
                future.result(10)
        assert [row.kind for row in store.read().select(EventRow)] == ["test.good"]

    def test_what_a_transaction_knows_is_read_once_until_it_is_written(self, store: Store) -> None:
        row = add(store, "one")

        def work(tx: Transaction) -> None:
            first = tx.known(ClusterRow, row.id)
            assert tx.known(ClusterRow, row.id) is first
            tx.swap(tx.get(ClusterRow, row.id), name="two")
            assert tx.known(ClusterRow, row.id).name == "two"
            tx.execute('UPDATE "cluster" SET "name"=? WHERE "id"=?', ("three", row.id))
            assert tx.known(ClusterRow, row.id).name == "three"

        def fails(tx: Transaction) -> None:
            work(tx)
            raise ConflictError("all of that is taken back")

        def looks(tx: Transaction) -> str:
            return tx.known(ClusterRow, row.id).name

        gate = Gate(store)
        before, failed, after = store.submit(looks), store.submit(fails), store.submit(looks)
        gate.open()
        assert isinstance(failed.exception(10), ConflictError)
        assert (before.result(10), after.result(10)) == ("one", "one")
        store.write(work)

    def test_what_the_store_knows_is_read_again_after_a_write(self, store: Store) -> None:
        row = add(store, "one")
        known = store.known(ClusterRow, row.id)
        add_event = store.submit(lambda tx: tx.event("test.event", "cluster", row.id))
        add_event.result(10)
        assert store.known(ClusterRow, row.id) is known
        store.write(lambda tx: tx.swap(tx.get(ClusterRow, row.id), name="two"))
        assert store.known(ClusterRow, row.id).name == "two"
        store.write(lambda tx: tx.execute('UPDATE "cluster" SET "name"=? WHERE "id"=?', ("three", row.id)))
        assert store.known(ClusterRow, row.id).name == "three"
        store.write(lambda tx: tx.delete(row))
        with pytest.raises(NotFoundError):
            store.known(ClusterRow, row.id)

    def test_a_failing_listener_does_not_end_the_writer(self, store: Store) -> None:
        def fail(_: list[EventRow]) -> None:
            raise RuntimeError("a listener's own fault")

        store.listen(fail)
        store.write(lambda tx: tx.event("x", "cluster", 1))
        store.submit(lambda tx: tx.after_commit(_fail)).result(10)
        assert store.submit(lambda tx: 5).result(10) == 5

    # --- owners

    def test_an_owner_that_lost_the_database_can_change_nothing(self, store: Store, location: Location) -> None:
        store.write(lambda tx: tx.insert(MetaRow(name="epoch", value="1")))
        store.own(1)
        add(store, "mine")
        other = Store(location, SystemClock())
        try:
            other.write(lambda tx: tx.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', ("2", "epoch")))
            other.own(2)
            with pytest.raises(OwnerError):
                add(store, "lost")
            add(other, "theirs")
        finally:
            other.close()
        assert names(store) == ["mine", "theirs"]

    # --- readers

    def test_a_snapshot_sees_one_moment(self, store: Store) -> None:
        add(store, "a")
        with store.snapshot() as queries:
            assert queries.count(ClusterRow) == 1
            add(store, "b")
            assert queries.count(ClusterRow) == 1
        assert store.read().count(ClusterRow) == 2

    def test_readers_beside_the_writer_see_whole_transactions(self, store: Store) -> None:
        ended, wrong = threading.Event(), []

        def look() -> None:
            while not ended.is_set():
                count = store.read().count(ClusterRow)
                if count % 2:
                    wrong.append(count)

        readers = [threading.Thread(target=look) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(40):
            store.write(partial(_add_pair, number))
        ended.set()
        for reader in readers:
            reader.join(10)
        assert wrong == []
        assert store.read().count(ClusterRow) == 80

    def test_patterns_take_their_signs_as_they_are(self, store: Store) -> None:
        for name in PATTERNS["*"]:
            add(store, name)
        for pattern, found in PATTERNS.items():
            for operator, expected in (("=", found), ("!=", PATTERNS["*"] - found)):
                listing = run(store.read(), "cluster", Query(columns=("name",), filters=(("name", operator, pattern),)), decode)
                assert {name for (name,) in listing.rows} == expected, (operator, pattern)

    def test_every_column_of_every_list_can_be_read_sorted_and_paged(self, store: Store) -> None:
        from nebula.engine.api.columns import SOURCES

        store.write(_fill)
        for noun, source in SOURCES.items():
            every = tuple(column.name for column in source.columns)
            for name in every:
                query = Query(columns=every, sort=(f"-{name}",), limit=1, offset=0)
                rows = run(store.read(), noun, query, decode).rows
                assert all(type(value) in {int, float, str, type(None)} for row in rows for value in row), (noun, rows)

    # --- the end

    def test_close_finishes_what_is_queued_and_refuses_what_comes(self, store: Store, location: Location) -> None:
        gate = Gate(store)
        futures = [store.submit(partial(_add_number, n)) for n in range(20)]
        closer = threading.Thread(target=store.close)
        closer.start()
        gate.open()
        closer.join(10)
        assert [future.exception(10) for future in futures] == [None] * 20
        with pytest.raises(OwnerError):
            store.write(lambda tx: None)
        store.close()
        assert Store(location, SystemClock()).read().count(ClusterRow) == 20

    def test_writes_that_race_with_close_are_answered(self, store: Store) -> None:
        answers: list[bool] = []

        def hammer() -> None:
            while True:
                error = store.submit(lambda tx: 1).exception(10)
                answers.append(error is None)
                if error is not None:
                    assert isinstance(error, NebulaError)
                    return

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        store.close()
        for thread in threads:
            thread.join(15)
            assert not thread.is_alive()
        assert answers.count(False) == 4


def _insert(row: VmRow, tx: Transaction) -> VmRow:
    return tx.insert(row)


def _add_number(number: int, tx: Transaction) -> int:
    return tx.insert(cluster(f"n{number}")).id


def _add_pair(number: int, tx: Transaction) -> None:
    for side in "ab":
        tx.insert(cluster(f"{side}{number}"))


def _tell_number(number: int, tx: Transaction) -> None:
    tx.event("x", "cluster", number, number=number)


def _fail() -> None:
    raise RuntimeError("what follows a commit failed")


def _fill(tx: Transaction) -> None:
    row = tx.insert(cluster("c"))
    host = tx.insert(HostRow(name="h", cluster_id=row.id, state=2))
    for number in range(2):
        tx.insert(VmRow(name="v", uuid=f"u{number}", owner="", state=3, lcm_state=3, host_id=host.id, memory=5))

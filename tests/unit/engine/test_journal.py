"""What is kept of the journals, whatever is in them; that nothing else goes; that who has nothing to trim writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.clock import SystemClock
from nebula.engine import journal
from nebula.engine.journal import trim
from nebula.engine.lifecycle.states import VmState
from nebula.engine.settings import Settings
from nebula.engine.store import schema
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import EventRow, HistoryRow, JobLogRow, JobRow, RequestRow, VmRow
from nebula.engine.store.store import Store
from nebula.engine.store.transaction import Transaction
from tests.support.sim import CALL, Sim, until

ENDED = ("done", "failed", "cancelled")
KEPT = Settings(event_memory=5, job_memory=4, done_memory=3, request_memory=100.0)
VMS = st.lists(st.sampled_from([VmState.DONE, VmState.ACTIVE, VmState.PENDING, VmState.POWEROFF]), max_size=10)
JOBS = st.lists(
    st.tuples(
        st.sampled_from([*ENDED, "ready", "running", "waiting"]),
        st.sampled_from(["vm", "host"]),
        st.integers(1, 10),
        st.integers(0, 5),
    ),
    max_size=30,
)


@contextmanager
def new_store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as home:
        location = parse_url("", Path(home))
        schema.prepare(location, put_aside=lambda: None)
        store = Store(location, SystemClock())
        try:
            yield store
        finally:
            store.close()


def fill(tx: Transaction, vms: list[VmState], jobs: list[tuple[str, str, int, int]], requests: int, events: int) -> None:
    for number, state in enumerate(vms, 1):
        vm = tx.insert(VmRow(name=f"vm-{number}", uuid=str(number), owner="", state=int(state), since=float(100 - number)))
        for seq in range(3):
            tx.insert(HistoryRow(vm_id=vm.id, seq=seq, host_id=1, host="h", action="deploy"))
    for word, kind, target, parent in jobs:
        job = tx.insert(JobRow(kind=f"{kind}.x", target_kind=kind, target_id=target, state=word, parent_id=parent))
        tx.insert(JobLogRow(job_id=job.id, at=0.0, level="info", text="a"))
    for number in range(requests):
        tx.insert(RequestRow(name=str(number), at=tx.now - 60.0 * (requests - number)))
    for _ in range(events):
        tx.event("x", "vm", 1)


@settings(max_examples=60, deadline=None)
@given(VMS, JOBS, st.integers(0, 5), st.integers(0, 12))
def test_bounds_hold_and_what_is_alive_stays(
    vms: list[VmState], jobs: list[tuple[str, str, int, int]], requests: int, events: int
) -> None:
    with new_store() as store:
        store.write(lambda tx: fill(tx, vms, jobs, requests, events))
        read = store.read()
        before = read.select(JobRow, '1=1 ORDER BY "id"')
        trim(store, KEPT, SystemClock())
        left = {job.id: job for job in read.select(JobRow)}
        live = {number for number, state in enumerate(vms, 1) if state != VmState.DONE}
        for job in before:
            mine = [other.id for other in before if (other.target_kind, other.target_id) == (job.target_kind, job.target_id)]
            last_of_live = job.target_kind == "vm" and job.target_id in live and job.id == max(mine)
            open_parts = [part for part in before if part.parent_id == job.id and part.state not in ENDED]
            new = job.id > len(before) - KEPT.job_memory
            assert (job.id in left) == (job.state not in ENDED or new or last_of_live or bool(open_parts)), job
        assert sorted(line.job_id for line in read.select(JobLogRow)) == sorted(left)
        gone = {vm.id: vm.since for vm in read.select(VmRow, '"state"=6')}
        assert sorted(gone) == [number for number, state in enumerate(vms, 1) if state == VmState.DONE][: KEPT.done_memory]
        assert {vm.id for vm in read.select(VmRow, '"state"<>6')} == live
        assert sorted(stay.vm_id for stay in read.select(HistoryRow)) == sorted([*live, *gone] * 3)
        assert read.count(EventRow) == min(events, KEPT.event_memory)
        assert read.count(RequestRow) == min(requests, 1)
        commits = store.commits
        trim(store, KEPT, SystemClock())
        assert store.commits == commits, "nothing was left to trim"


def test_large_journals_go_in_many_small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_BATCH", 10)
    with new_store() as store:
        store.write(lambda tx: fill(tx, [], [("done", "host", 1, 0)] * 95, 0, 105))
        commits = store.commits
        trim(store, KEPT, SystemClock())
        assert store.commits - commits == 20
        assert (store.read().count(EventRow), store.read().count(JobRow), store.read().count(JobLogRow)) == (5, 4, 4)


def test_whoever_stops_waits_for_one_write_only() -> None:
    with new_store() as store:
        store.write(lambda tx: fill(tx, [], [("done", "host", 1, 0)] * 20, 0, 20))
        trim(store, KEPT, SystemClock(), stopped=lambda: True)
        assert (store.read().count(EventRow), store.read().count(JobRow)) == (20, 20)


def test_an_engine_trims_when_much_was_written(bare: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_EVERY", 20)
    bare.restart(Settings(event_memory=10, monitor_interval=60.0))
    for number in range(60):
        bare.engine.clusters.create(f"c{number}", CALL)
    until(lambda: len(bare.rows(EventRow)) <= 30, "the events to be trimmed")

"""Counted locks: never more than the limit, nobody forgotten, first come first served at each lock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nebula.engine.jobs.base import Lock
from nebula.engine.jobs.locks import Locks, LockTable

LIMITS = {"a": 1, "b": 1, "c": 2, "d": 3}
wanted = st.sets(st.sampled_from(sorted(LIMITS)), min_size=1).map(
    lambda names: tuple(Lock(name, LIMITS[name]) for name in sorted(names))
)


class Jobs(RuleBasedStateMachine):
    """Jobs come, hold their locks, and leave, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.table = LockTable()
        self.running: dict[int, Locks] = {}
        self.waiting: dict[int, Locks] = {}
        self.number = 0

    @rule(locks=wanted)
    def comes(self, locks: Locks) -> None:
        self.number += 1
        got = self.table.acquire(self.number, locks)
        (self.running if got else self.waiting)[self.number] = locks

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        locks = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        for job in self.table.release(locks):
            self.running[job] = self.waiting.pop(job)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def gives_up(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[job]
        self.table.drop(job)

    @invariant()
    def holds_what_the_running_ones_hold(self) -> None:
        held: dict[str, int] = {}
        for lock in (lock for locks in self.running.values() for lock in locks):
            held[lock.name] = held.get(lock.name, 0) + 1
        assert self.table.held() == held
        assert all(count <= LIMITS[name] for name, count in held.items())

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        held = self.table.held()
        for job, locks in self.waiting.items():
            assert any(held.get(lock.name, 0) >= lock.limit for lock in locks), job

    def teardown(self) -> None:
        """Whoever waits gets its turn when the others leave."""
        while self.running:
            _, locks = self.running.popitem()
            for job in self.table.release(locks):
                self.running[job] = self.waiting.pop(job)
        assert self.waiting == {}
        assert self.table.held() == {}


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@given(st.integers(1, 3), st.integers(1, 12))
def test_one_lock_is_given_in_the_order_of_arrival(limit: int, jobs: int) -> None:
    table, locks = LockTable(), (Lock("only", limit),)
    running = [job for job in range(jobs) if table.acquire(job, locks)]
    order = list(running)
    while running:
        running.pop(0)
        woken = table.release(locks)
        order += woken
        running += woken
    assert order == list(range(jobs))


def test_all_or_none() -> None:
    table = LockTable()
    assert table.acquire(1, (Lock("b", 1),))
    assert not table.acquire(2, (Lock("a", 1), Lock("b", 1)))
    assert table.acquire(3, (Lock("a", 1),)), "a waiting job holds nothing"

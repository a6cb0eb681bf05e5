"""The threads of jobs: all that is given to them is run, few are used while nothing blocks, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nebula.engine.jobs.workers import FEW, Workers

PATIENCE = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(16, "test")
    yield made
    made.stop()


def test_what_does_not_block_needs_few_threads(workers: Workers) -> None:
    done, all_done = [], threading.Event()

    def work(number: int) -> None:
        done.append(number)
        if len(done) == 500:
            all_done.set()

    for number in range(500):
        workers.begin(lambda number=number: work(number))  # type: ignore[misc]
    assert all_done.wait(PATIENCE)
    assert sorted(done) == list(range(500))
    assert workers.threads <= FEW


def test_what_blocks_holds_up_nobody_else(workers: Workers) -> None:
    """Sixteen that wait for each other end only if all of them run at once."""
    together = threading.Barrier(16)
    ended = threading.Semaphore(0)

    def work() -> None:
        together.wait(PATIENCE)
        ended.release()

    for _ in range(16):
        workers.begin(work)
    for _ in range(16):
        assert ended.acquire(timeout=PATIENCE)
    assert workers.threads == 16


@pytest.mark.parametrize("blocked", [1, FEW, FEW + 1])
def test_one_that_comes_while_others_block_is_run(workers: Workers, blocked: int) -> None:
    go, begun, ran = threading.Event(), threading.Semaphore(0), threading.Event()

    def block() -> None:
        begun.release()
        go.wait(PATIENCE)

    for _ in range(blocked):
        workers.begin(block)
    for _ in range(blocked):
        assert begun.acquire(timeout=PATIENCE)
    workers.begin(ran.set)
    assert ran.wait(PATIENCE)
    go.set()


def test_what_goes_on_comes_before_what_begins() -> None:
    workers = Workers(1, "test")
    go, order = threading.Event(), list[str]()

    def block() -> None:
        go.wait(PATIENCE)

    workers.begin(block)
    workers.begin(lambda: order.append("begins"))
    workers.go_on(lambda: order.append("goes on"))
    go.set()
    workers.stop()
    assert order == ["goes on", "begins"]


def test_a_fault_ends_no_thread(workers: Workers) -> None:
    def fault() -> None:
        raise RuntimeError("no work of a job's does this")

    ran = threading.Event()
    for _ in range(20):
        workers.begin(fault)
    workers.begin(ran.set)
    assert ran.wait(PATIENCE)

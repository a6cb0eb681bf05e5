from __future__ import annotations

import asyncio
import queue
import threading

import pytest

from nebula.cancel import CancelToken
from nebula.errors import InterruptedByUser, NebulaError, TimedOutError, UnreachableError
from nebula.transport.loop import Inbox, TunnelLoop


async def _value(value: object) -> object:
    await asyncio.sleep(0)
    return value


def test_result_and_failure_come_back(tunnels: TunnelLoop) -> None:
    async def fail() -> None:
        raise UnreachableError("gone")

    assert tunnels.call(_value(5)) == 5
    with pytest.raises(UnreachableError, match="gone"):
        tunnels.call(fail())


def test_own_thread_is_refused(tunnels: TunnelLoop) -> None:
    async def blocking() -> object:
        return tunnels.call(_value(1))

    with pytest.raises(NebulaError, match="own thread"):
        tunnels.call(blocking())
    assert tunnels.call(_value(2)) == 2


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_cut_short_only_after_cleaning_up(tunnels: TunnelLoop, how: str) -> None:
    cleaned, token = threading.Event(), CancelToken()

    async def long() -> None:
        try:
            if how == "cancel":
                token.set("cancelled by alice")
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    expected = TimedOutError if how == "timeout" else InterruptedByUser
    with pytest.raises(expected):
        tunnels.call(long(), timeout=0.1 if how == "timeout" else 60, cancel=token)
    assert cleaned.is_set()


def test_inbox_is_worked_off_in_order_in_the_callers_thread(tunnels: TunnelLoop) -> None:
    inbox: Inbox = queue.SimpleQueue()
    seen: list[tuple[int, int]] = []

    async def post() -> str:
        for number in range(5):
            inbox.put(lambda number=number: seen.append((number, threading.get_ident())))  # type: ignore[misc]
            await asyncio.sleep(0)
        return "done"

    assert tunnels.call(post(), inbox=inbox) == "done"
    assert seen == [(number, threading.get_ident()) for number in range(5)]


def test_stop_ends_what_waits() -> None:
    loop, started = TunnelLoop(), threading.Event()
    loop.start()
    loop.start()
    failures: list[NebulaError] = []

    async def forever() -> None:
        started.set()
        await asyncio.sleep(1000)

    def wait() -> None:
        with pytest.raises(InterruptedByUser, match="tunnels were closed") as caught:
            loop.call(forever())
        failures.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(20)
    loop.stop()
    loop.stop()
    thread.join(20)
    assert failures
    with pytest.raises(UnreachableError, match="closed"):
        loop.call(_value(1))
    loop.start()
    assert loop.call(_value(3)) == 3
    loop.stop()

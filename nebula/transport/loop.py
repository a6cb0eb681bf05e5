"""The one event loop that serves all tunnels, in a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nebula.cancel import CancelToken
from nebula.errors import InterruptedByUser, NebulaError, TimedOutError, UnreachableError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
Inbox = queue.SimpleQueue[Callable[[], None]]
"""Functions that a coroutine wants called in the thread that waits for it."""

_CLEAN_UP = 15.0
"""Seconds that a cancelled coroutine gets to end what it started."""


def _nothing() -> None:
    """What wakes a waiter."""


class TunnelLoop:
    """An asyncio event loop in a daemon thread; `call` runs a coroutine there and waits for it here.

    Libvirt's calls block their thread while the loop carries their bytes: so nothing that blocks may run on the loop's
    thread, and `call` from that thread raises at once where it would have waited for itself forever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; doing so twice is fine."""
        import asyncio

        with self._lock:
            if self._thread is not None:
                return
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._serve, args=(self._loop,), name="nebula-tunnels", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Cancel what runs, close the loop and end the thread; doing so twice is fine."""
        self._refuse_own_thread()
        with self._lock:
            thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if thread is not None and loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLEAN_UP)

    def call(
        self,
        coroutine: Coroutine[Any, Any, T],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
        inbox: Inbox | None = None,
    ) -> T:
        """Run the coroutine on the loop and wait for its result, calling what it puts into `inbox` meanwhile.

        Raises what the coroutine raises; TimedOutError after `timeout` seconds and InterruptedByUser when `cancel` is
        set, both after the coroutine had the time to clean up; NebulaError from the loop's own thread.
        """
        try:
            self._refuse_own_thread()
            loop = self._running()
        except NebulaError:
            coroutine.close()
            raise
        return _Call(loop, coroutine, inbox or queue.SimpleQueue()).wait(timeout, cancel)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                raise UnreachableError("the tunnels are closed", cause="their event loop was stopped")
            return self._loop

    def _refuse_own_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise NebulaError("a blocking call on the tunnels' own thread", cause="it would wait for itself forever")

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


class _Call(Generic[T]):
    """A coroutine under way, seen from the thread that waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], inbox: Inbox) -> None:
        self._loop, self._inbox = loop, inbox
        self._ended = threading.Event()
        self._task: asyncio.Task[T] | None = None
        loop.call_soon_threadsafe(self._begin, coroutine)

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._task = self._loop.create_task(coroutine)
        self._task.add_done_callback(self._done)

    def _done(self, _task: asyncio.Task[T]) -> None:
        self._ended.set()
        self._inbox.put(_nothing)

    def wait(self, timeout: float | None, cancel: CancelToken | None) -> T:
        forget = cancel.on_set(lambda: self._inbox.put(_nothing)) if cancel else _nothing
        try:
            self._work(None if timeout is None else time.monotonic() + timeout, cancel)
        except BaseException:
            self._abandon()
            raise
        finally:
            forget()
        return self._result()

    def _work(self, deadline: float | None, cancel: CancelToken | None) -> None:
        while True:
            self._next(deadline)()
            if self._ended.is_set() and self._inbox.empty():
                return
            if cancel is not None and not self._ended.is_set():
                cancel.raise_if_set()

    def _next(self, deadline: float | None) -> Callable[[], None]:
        try:
            return self._inbox.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimedOutError("an operation over ssh took too long") from None

    def _abandon(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
            self._ended.wait(_CLEAN_UP)

    def _result(self) -> T:
        if self._task is None or self._task.cancelled():
            raise InterruptedByUser("the tunnels were closed", cause="somebody closed them while this waited")
        return self._task.result()

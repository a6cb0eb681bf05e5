"""libvirt's event loop: one a process, because the library has only one."""

from __future__ import annotations

import threading
from typing import Any


class EventLoop:
    """Runs libvirt's default event implementation in a daemon thread while somebody holds it.

    The library wants it registered before the first connection is opened and offers no way back, so it is registered
    once; the thread comes and goes with its holders.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registered = False
        self._holders = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def acquire(self, lib: Any) -> None:
        """Hold the loop; started if this is the first holder."""
        with self._lock:
            self._holders += 1
            if not self._registered:
                lib.virEventRegisterDefaultImpl()
                self._registered = True
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=_run, args=(lib, self._stop), name="libvirt-events", daemon=True)
                self._thread.start()

    def release(self, lib: Any) -> None:
        """Let go; the last one stops the thread."""
        with self._lock:
            self._holders -= 1
            if self._holders > 0 or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._stop.set()
            lib.virEventAddTimeout(0, _wake, lib)
        if thread is not threading.current_thread():
            thread.join(timeout=5)

    def is_current_thread(self) -> bool:
        """Whether the caller is the loop itself (where a libvirt call would wait for itself)."""
        return threading.current_thread() is self._thread

    def running(self) -> bool:
        """Whether the thread runs."""
        thread = self._thread
        return thread is not None and thread.is_alive()


def _run(lib: Any, stop: threading.Event) -> None:
    while not stop.is_set():
        lib.virEventRunDefaultImpl()


def _wake(timer: int, lib: Any) -> None:
    lib.virEventRemoveTimeout(timer)


LOOP = EventLoop()
"""The process's only one."""

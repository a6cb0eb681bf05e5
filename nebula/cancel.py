"""How a wait is ended from outside: one token, passed down from the job to the last `select`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nebula.errors import InterruptedByUser

ENGINE_STOPPING = "engine is stopping"
"""How a token's reason begins when nobody cancelled anything: long work on hosts goes on, and the next engine takes it up."""


class CancelToken:
    """Set once; every wait that was given the token ends with `InterruptedByUser`.

    `reason` says who asked ("cancelled by alice", "engine is stopping").
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.reason = ""

    def set(self, reason: str) -> None:
        """Ask everybody who holds the token to stop; the first reason stays."""
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def detaching(self) -> bool:
        """Whether whoever waits should let go of the work instead of ending it."""
        return self._event.is_set() and self.reason.startswith(ENGINE_STOPPING)

    def is_set(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; True if the token was set meanwhile."""
        return self._event.wait(seconds)

    def raise_if_set(self) -> None:
        """Raise InterruptedByUser if somebody asked."""
        if self._event.is_set():
            raise InterruptedByUser(self.reason or "cancelled")

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when the token is set (at once if it is); returns a function that forgets it."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

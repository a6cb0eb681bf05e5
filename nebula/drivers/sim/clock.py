"""How the simulation waits: really, or by moving a clock of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from nebula.cancel import CancelToken

Sleep = Callable[[float, CancelToken | None], None]


def real_sleep(seconds: float, cancel: CancelToken | None) -> None:
    """Sleep; InterruptedByUser as soon as the token is set."""
    if cancel is None:
        time.sleep(seconds)
        return
    cancel.wait(seconds)
    cancel.raise_if_set()


class ManualClock:
    """A clock that moves only when told, and whose `sleep` moves it: hours pass at once, the same way each time."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._now = start

    def now(self) -> float:
        """See nebula.clock.Clock."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """See nebula.clock.Clock."""
        return self.now() - self._start

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float, cancel: CancelToken | None) -> None:
        """A Sleep: the time passes at once; InterruptedByUser if the token is set."""
        if cancel is not None:
            cancel.raise_if_set()
        self.advance(seconds)
        time.sleep(0)

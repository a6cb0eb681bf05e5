"""Time as an argument: the domain never asks the machine for it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the domain gets its time from."""

    def now(self) -> float:
        """Seconds since the epoch (wall clock, for records and people)."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start, never going back (for deadlines and intervals)."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """See Clock.now."""
        return time.time()

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return time.monotonic()

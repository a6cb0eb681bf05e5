"""How often somebody did something lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_KEYS = 4096
"""Somebodies that are remembered; the oldest are forgotten first."""


class Counts:
    """At most `most` times within `seconds`, each key for itself. For one thread at a time."""

    def __init__(self, most: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self.seconds, self._now = most, seconds, now
        self._counted: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def full(self, key: Hashable) -> bool:
        """Whether once more would be too often."""
        return self._count(key)[1] >= self._most

    def add(self, key: Hashable) -> None:
        """Once more."""
        began, count = self._count(key)
        self._counted[key] = (began, count + 1)
        self._counted.move_to_end(key)
        while len(self._counted) > _KEYS:
            self._counted.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """From nothing again."""
        self._counted.pop(key, None)

    def _count(self, key: Hashable) -> tuple[float, int]:
        now = self._now()
        began, count = self._counted.get(key, (now, 0))
        return (began, count) if now - began < self.seconds else (now, 0)

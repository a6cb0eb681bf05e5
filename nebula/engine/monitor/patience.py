"""How long a look at a host may take before it counts as a failure, although nothing failed yet.

A host that vanished says nothing, and whoever asked it learns that by a long deadline only. So a look that lasts is doubted:
the host is asked whether it is there at all. One that is there is only slow, which counts half.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from nebula.errors import NebulaError

T = TypeVar("T")
There = Callable[[threading.Event], bool]
_log = logging.getLogger(__name__)


class Doubt:
    """Beside one look. `there` takes `patience` seconds (less once the event is set) and says whether the host answers at all.
    `overdue` is called with the number of failures that the look counts as so far, and whether the host is there; True: that
    was enough.
    """

    def __init__(self, patience: float, there: There, overdue: Callable[[int, bool], bool]) -> None:
        self._patience, self._there, self._overdue = patience, there, overdue
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.told = False
        """Whether the look counted as enough failures before it ended."""

    def beside(self, look: Callable[[], T]) -> T:
        """Do the look; nothing is told any more when this returns."""
        timer = threading.Timer(self._patience, self._watch)
        timer.daemon = True
        timer.start()
        try:
            return look()
        finally:
            timer.cancel()
            with self._lock:
                self._ended.set()

    def _watch(self) -> None:
        """Of the times `patience` that passed, each counts as a failure while the host is silent, else every second one."""
        passed = 1
        while not (self._ended.is_set() or self.told):
            there = self._there(self._ended)
            passed += 1
            self._tell(passed // 2 if there else passed, there)

    def _tell(self, failures: int, there: bool) -> None:
        with self._lock:
            if not self._ended.is_set():
                self.told = self._overdue(failures, there)


def answers(ask: Callable[[], object], seconds: float) -> There:
    """`ask` (returns, raises, or hangs) as what a Doubt wants to know."""

    def there(ended: threading.Event) -> bool:
        answered = threading.Event()
        threading.Thread(target=_try, args=(ask, answered), name="nebula-there", daemon=True).start()
        ended.wait(seconds)
        return answered.is_set()

    return there


def _try(ask: Callable[[], object], answered: threading.Event) -> None:
    try:
        ask()
    except NebulaError as error:
        _log.info("asked beside a look that lasts: %s", error)
    else:
        answered.set()

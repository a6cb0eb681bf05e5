"""The threads of jobs: few while nothing holds them up, since more would only wait for the interpreter; more where hosts do."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)
Work = Callable[[], None]
FEW = 4
"""Threads that work while what waits is taken as it comes."""
_STALL = 0.01
"""Seconds in which none of what waits was taken: whoever works waits for something outside, and others join them."""


class Workers:
    """Runs what it is given, in its order, what goes on before what begins, on at most `most` threads."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._few = self._allowed = min(FEW, most)
        self._changed = threading.Condition()
        self._begin: deque[Work] = deque()
        self._go_on: deque[Work] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = self._busy = self._taken = 0
        self._stopping = False
        self._held_up = threading.Event()
        self._watch = threading.Thread(target=self._look, name=f"{name}s", daemon=True)

    @property
    def threads(self) -> int:
        """How many there are, for tests."""
        return len(self._threads)

    def begin(self, work: Work) -> None:
        """Run it when its turn comes."""
        self._put(self._begin, work)

    def go_on(self, work: Work) -> None:
        """Run it before all that was not begun."""
        self._put(self._go_on, work)

    def stop(self) -> None:
        """Run what is there already, and end; not to be called by one of the threads."""
        with self._changed:
            self._stopping = True
            self._allowed = self._most
            self._idle = 0
            self._changed.notify_all()
            self._held_up.set()
            threads = [*self._threads, *([self._watch] if self._watch.ident else [])]
        for thread in threads:
            thread.join()

    def _put(self, waiting: deque[Work], work: Work) -> None:
        with self._changed:
            waiting.append(work)
            if self._busy < self._allowed:
                self._call_one()
            self._held_up.set()
            if not self._watch.ident:
                self._watch.start()

    def _call_one(self) -> None:
        if self._idle:
            self._idle -= 1
            self._changed.notify()
        elif len(self._threads) < self._allowed:  # those that are neither idle nor busy are on their way
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (work := self._take()) is not None:
            try:
                work()
            except Exception:
                _log.exception("a thread of jobs met a fault")
            with self._changed:
                self._busy -= 1

    def _take(self) -> Work | None:
        with self._changed:
            while self._busy >= self._allowed or not (self._go_on or self._begin):
                if self._stopping and not (self._go_on or self._begin):
                    return None
                self._idle += 1
                self._changed.wait()
            self._busy += 1
            self._taken += 1
            work = (self._go_on or self._begin).popleft()
            if not (self._go_on or self._begin):
                self._allowed = self._most if self._stopping else self._few
                self._held_up.clear()
            return work

    def _look(self) -> None:
        """While something waits and none of it is taken, twice as many may work."""
        while not self._stopping:
            self._held_up.wait()
            taken = self._taken
            threading.Event().wait(_STALL)
            with self._changed:
                if self._taken == taken and not self._stopping:
                    self._more()

    def _more(self) -> None:
        waiting = len(self._go_on) + len(self._begin)
        self._allowed = min(self._most, max(self._allowed, self._busy * 2))
        for _ in range(min(waiting, self._allowed - self._busy)):
            self._call_one()

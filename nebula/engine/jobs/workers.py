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
_STALL = 0.005
"""Seconds in which none of what waits was taken: whoever works waits for something outside, and others come in their place."""


class Workers:
    """Runs what it is given, in its order, what goes on before what begins, on at most `most` threads."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name, self._few = most, name, min(FEW, most)
        self._changed = threading.Condition()
        self._begin: deque[Work] = deque()
        self._go_on: deque[Work] = deque()
        self._threads: list[threading.Thread] = []
        self._at_work: set[int] = set()
        self._held: set[int] = set()
        """Of those at work, who waits for something outside."""
        self._idle = self._taken = 0
        self._stopping = False
        self._waits = threading.Event()
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
            self._stopping, self._few, self._idle = True, self._most, 0
            self._changed.notify_all()
            self._waits.set()
            threads = [*self._threads, *([self._watch] if self._watch.ident else [])]
        for thread in threads:
            thread.join()

    def _put(self, queue: deque[Work], work: Work) -> None:
        with self._changed:
            queue.append(work)
            self._call()
            self._waits.set()
            if not self._watch.ident:
                self._watch.start()

    def _waiting(self) -> int:
        return len(self._go_on) + len(self._begin)

    def _free(self) -> int:
        return self._few - len(self._at_work) + len(self._held)

    def _call(self) -> None:
        """As many threads as may work on what waits; some may be on their way to it already."""
        coming = len(self._threads) - self._idle - len(self._at_work)
        for _ in range(min(self._free(), self._waiting()) - coming):
            if self._idle:
                self._idle -= 1
                self._changed.notify()
            elif len(self._threads) < self._most:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work(self) -> None:
        me = threading.get_ident()
        while (work := self._take(me)) is not None:
            try:
                work()
            except Exception:
                _log.exception("a thread of jobs met a fault")

    def _take(self, me: int) -> Work | None:
        with self._changed:
            self._at_work.discard(me)
            self._held.discard(me)
            while self._free() <= 0 or not self._waiting():
                if self._stopping and not self._waiting():
                    return None
                self._idle += 1
                self._changed.wait()
            self._at_work.add(me)
            self._taken += 1
            work = (self._go_on or self._begin).popleft()
            if not self._waiting():
                self._waits.clear()
            return work

    def _look(self) -> None:
        """While something waits and none of it is taken, those at work do not count."""
        while not self._stopping:
            self._waits.wait()
            taken = self._taken
            threading.Event().wait(_STALL)
            with self._changed:
                if self._taken == taken and not self._stopping:
                    self._held = set(self._at_work)
                    self._call()

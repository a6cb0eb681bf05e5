"""What libvirt does with a domain for a long time, watched from another thread: progress, abort, time limit.

libvirt's call blocks until the end, in a thread and over a connection of its own; the caller's thread watches over others.
If the engine dies, libvirt goes on by itself, and the next engine finds the job, or what came of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import MigrationProgress, Progress
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session
from nebula.drivers.hypervisor.libvirt.jobs import Work, abort, progress_of
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, TimedOutError

POLL = 0.5
"""Seconds between looks at a job's progress. A look asks QEMU, which has better to do just then."""
_WORDS: dict[Work, str] = {"MIGRATION_OUT": "migration", "SAVE": "save"}


class Watch:
    """Reports progress while something goes on, and ends it when the token is set or `limit` seconds have passed."""

    def __init__(
        self, looks: Lanes, uuid: str, work: Work, limit: float, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        self._looks, self._uuid, self._work, self.limit = looks, uuid, work, limit
        self._progress, self._cancel = progress, cancel
        self._end = time.monotonic() + limit

    def look(self) -> MigrationProgress | None:
        """The job as it is now; None if there is none."""
        what = f"asking for a {_WORDS[self._work]}'s progress"
        return self._looks.call(what, lambda session: progress_of(session, self._uuid, self._work))

    def until(self, done: Callable[[], bool], pause: Callable[[float], object] = time.sleep) -> None:
        """Watch until `done`, which is asked after each `pause`; abort again and again, as libvirt takes no abort while it
        prepares or concludes. An engine that stops lets go: libvirt goes on, and the next engine finds it.
        """
        pause(POLL)
        while not done():
            if self._cancel is not None and self._cancel.detaching():
                raise InterruptedByUser(self._cancel.reason)
            now = self.look()
            if now is not None and self._progress is not None and now.total:
                self._progress(now.done, now.total)
            if self.interruption() is not None:
                self._abort()
            pause(POLL)

    def _abort(self) -> None:
        with contextlib.suppress(ConflictError):  # not now; it is tried again
            self._looks.call(
                f"ending a {_WORDS[self._work]}", lambda session: abort(session, self._uuid, self._work)
            )  # fmt: skip

    def interruption(self) -> NebulaError | None:
        """Why it should end early, if it should."""
        if self._cancel is not None and self._cancel.is_set():
            return InterruptedByUser(self._cancel.reason or "cancelled")
        if time.monotonic() > self._end:
            return TimedOutError(
                f"the {_WORDS[self._work]} did not end within {self.limit:.0f} s", cause="it was aborted"
            )  # fmt: skip
        return None

    def check(self) -> None:
        """Raise if it should not even begin."""
        failure = self.interruption()
        if failure is not None:
            raise failure


def perform(link: Link, what: str, call: Callable[[Session], object], watch: Watch) -> Exception | None:
    """Make the call over that connection, which is closed after it, and watch meanwhile; how it failed, or None."""
    failures: list[Exception] = []

    def work() -> None:
        try:
            link.call(what, call, timeout=watch.limit + timeouts.LIBVIRT_CALL, again=False)
        except Exception as error:  # raised by the caller's thread, after reality was asked
            failures.append(error)

    thread = threading.Thread(target=work, name=what[:40], daemon=True)
    thread.start()
    try:
        watch.until(lambda: not thread.is_alive(), thread.join)
    finally:
        link.close()
        thread.join()
    return failures[0] if failures else None

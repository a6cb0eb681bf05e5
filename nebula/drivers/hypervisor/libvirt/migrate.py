"""A live migration, peer to peer: started or followed, watched, and settled with both hosts asked.

libvirt's call blocks until the end, in a thread and over a connection of its own; this thread watches over another one.
If the engine dies, the two libvirtds go on by themselves; the next engine finds the job, or its outcome.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, MigrationProgress, MigrationRequest, Progress
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Link, Session
from nebula.drivers.hypervisor.libvirt.migration_job import abort, progress_of
from nebula.drivers.hypervisor.libvirt.migration_outcome import Outcome
from nebula.drivers.hypervisor.libvirt.migration_route import Route, plan
from nebula.drivers.hypervisor.libvirt.migration_xml import moved_definitions
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, TimedOutError, UnreachableError

POLL = 0.25
"""Seconds between looks at a migration's progress."""


class Migration:
    """One request, from this host (`handle`, asked over `looks`)."""

    def __init__(self, handle: HostHandle, request: MigrationRequest, looks: Link) -> None:
        self._handle, self._request, self._looks = handle, request, looks
        self._target = Link(request.target, "migration's target")
        self._outcome = Outcome(handle.name, request, looks, self._target)

    def run(self, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.migrate."""
        try:
            self._run(_Watch(self._looks, self._request.uuid, progress, cancel))
        finally:
            self._target.close()

    def _run(self, watch: _Watch) -> None:
        if watch.look() is not None:
            watch.until(lambda: watch.look() is None)
            self._outcome.settle(None, watch.interruption())
            return
        if self._outcome.arrived():
            return
        watch.check()
        self._outcome.clear_way()
        failure = self._perform(plan(self._handle, self._request), watch)
        if isinstance(failure, UnreachableError):
            watch.until(lambda: watch.look() is None)
        self._outcome.settle(failure, watch.interruption())

    def _perform(self, route: Route, watch: _Watch) -> Exception | None:
        """The call; how it failed, or None."""
        link = Link(self._handle, "migration")
        failures: list[Exception] = []

        def work() -> None:
            try:
                link.call(
                    f"migrating a domain to host {self._request.target.name}",
                    lambda session: self._call(session, route),
                    timeout=timeouts.MIGRATION + timeouts.LIBVIRT_CALL,
                    again=False,
                )
            except Exception as error:  # raised by the caller's thread, after both hosts were asked
                failures.append(error)

        thread = threading.Thread(target=work, name="migration", daemon=True)
        thread.start()
        try:
            watch.until(lambda: not thread.is_alive())
        finally:
            link.close()
            thread.join()
        return failures[0] if failures else None

    def _call(self, session: Session, route: Route) -> None:
        domain = domains.require(session, self._request.uuid, self._handle.name)
        parameters = route.typed(session.lib)
        for name, xml in moved_definitions(session.lib, domain, dict(self._request.disk_paths)).items():
            parameters[getattr(session.lib, name)] = xml
        domain.migrateToURI3(route.uri, parameters, route.flag_bits(session.lib))


class _Watch:
    """Reports progress while something goes on, and ends it when the token is set or time is up."""

    def __init__(self, looks: Link, uuid: str, progress: Progress | None, cancel: CancelToken | None) -> None:
        self._looks, self._uuid = looks, uuid
        self._progress, self._cancel = progress, cancel
        self._end = time.monotonic() + timeouts.MIGRATION

    def look(self) -> MigrationProgress | None:
        """The migration as it is now; None if there is none."""
        return self._looks.call("asking for a migration's progress", lambda session: progress_of(session, self._uuid))

    def until(self, done: Callable[[], bool]) -> None:
        """Watch until `done`; abort again and again, as libvirt takes no abort while it prepares or concludes. An engine
        that stops lets go: libvirt goes on, and the next engine finds it.
        """
        while not done():
            if self._cancel is not None and self._cancel.detaching():
                raise InterruptedByUser(self._cancel.reason)
            now = self.look()
            if now is not None and self._progress is not None and now.total:
                self._progress(now.done, now.total)
            if self.interruption() is not None:
                self._abort()
            time.sleep(POLL)

    def _abort(self) -> None:
        with contextlib.suppress(ConflictError):  # not now; it is tried again
            self._looks.call("ending a migration", lambda session: abort(session, self._uuid))

    def interruption(self) -> NebulaError | None:
        """Why it should end early, if it should."""
        if self._cancel is not None and self._cancel.is_set():
            return InterruptedByUser(self._cancel.reason or "cancelled")
        if time.monotonic() > self._end:
            return TimedOutError(f"the migration did not end within {timeouts.MIGRATION:.0f} s", cause="it was aborted")
        return None

    def check(self) -> None:
        """Raise if it should not even begin."""
        failure = self.interruption()
        if failure is not None:
            raise failure

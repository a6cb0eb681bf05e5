"""What a step works with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Hypervisor, Progress
from nebula.engine.jobs.base import Verbs
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, JobLogRow, JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NotFoundError


class KeyedLocks:
    """Locks by name, for short exclusive stretches inside steps (one copy of an image to a host at a time)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, name: str, cancel: CancelToken) -> Iterator[None]:
        """Hold the lock of that name; InterruptedByUser if the token is set while waiting."""
        with self._lock:
            lock, users = self._held.get(name, (threading.Lock(), 0))
            self._held[name] = (lock, users + 1)
        try:
            while not lock.acquire(timeout=0.2):
                cancel.raise_if_set()
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._lock:
                lock, users = self._held[name]
                if users == 1:
                    del self._held[name]
                else:
                    self._held[name] = (lock, users - 1)


class JobContext:
    """A running job: its row, its facts, and the way to everything outside.

    `cache` is for what steps of this run share; nothing in it survives. `progress(done, total)` in bytes is kept in
    memory for watchers and written once a second at most.
    """

    def __init__(self, job: JobRow, services: Services, cancel: CancelToken, locks: KeyedLocks, verbs: Verbs) -> None:
        self.job = job
        self.services = services
        self.cancel = cancel
        self.facts: dict[str, Any] = dict(job.facts)
        self.verbs = verbs
        self._locks = locks
        self._last_progress = services.clock.monotonic()
        self.cache: dict[str, Any] = {}
        self.seen: VmRow | None = None
        """The VM as it was read last; not there for one that no step needed yet."""

    @property
    def work_name(self) -> str:
        """Names the job and step for the host-side lock of a long command."""
        return f"job-{self.job.id}-{self.job.step}"

    def save(self, **facts: Any) -> None:
        """Keep facts; durable when this returns."""
        self.facts.update(facts)
        self.job.facts = dict(self.facts)
        self.services.store.write(lambda tx: tx.swap(self.job, facts=self.facts))

    def progress(self, done: int, total: int) -> None:
        """Tell how far a long step is, bytes."""
        now = self.services.clock.monotonic()
        self.job.done, self.job.total = done, total
        if now - self._last_progress >= 1.0:
            self._last_progress = now
            self.services.store.write(self._write_progress)

    def _write_progress(self, tx: Transaction) -> None:
        tx.swap(self.job, done=self.job.done, total=self.job.total)
        tx.event("job.progress", "job", self.job.id, done=self.job.done, total=self.job.total)

    @property
    def report(self) -> Progress:
        """`progress`, typed for drivers."""
        return self.progress

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        self.services.store.submit(
            lambda tx: tx.insert(JobLogRow(job_id=self.job.id, at=tx.now, level=level, text=text[:4000]))
        )

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """An exclusive stretch among this engine's jobs."""
        with self._locks.hold(name, self.cancel):
            yield

    # --- what steps ask for all the time

    def vm(self) -> VmRow:
        """The VM that the job is about, as it is now."""
        self.seen = self.services.store.read().get(VmRow, self.job.target_id)
        return self.seen

    def host_row(self, host_id: int) -> HostRow:
        """A host's row as it is now; NotFoundError if it was removed."""
        if host_id < 0:
            raise NotFoundError(f"job {self.job.id} has no host to work on", hint=f"nebula job show {self.job.id}")
        return self.services.store.read().get(HostRow, host_id)

    def handle(self, host_id: int) -> HostHandle:
        """A host's handle."""
        return self.services.pool.handle(self.known_host(host_id))

    def hypervisor(self, host_id: int) -> Hypervisor:
        """A host's hypervisor."""
        return self.services.pool.hypervisor(self.known_host(host_id))

    def asked(self) -> list[int]:
        """Ids of the hosts that this run of the job turned to so far, and of the one that it is about."""
        about = {self.job.target_id} if self.job.target_kind == "host" else set()
        return sorted({*self.cache.get("hosts", {}), *about})

    def known_host(self, host_id: int) -> HostRow:
        """The row that this run of the job read first: enough to start something there, and to find the handle, whose
        address the pool knows better if it changed.
        """
        hosts: dict[int, HostRow] = self.cache.setdefault("hosts", {})
        if host_id not in hosts:
            hosts[host_id] = self.services.store.known(HostRow, host_id) if host_id > 0 else self.host_row(host_id)
        return hosts[host_id]

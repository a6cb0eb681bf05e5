"""The runner: takes jobs that are ready, holds their locks, runs them on threads, and takes up what a dead one left."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec

from nebula.cancel import CancelToken
from nebula.engine.jobs.base import Verbs
from nebula.engine.jobs.context import JobContext, KeyedLocks
from nebula.engine.jobs.execution import AWAITED, End, Execution, Turns
from nebula.engine.jobs.locks import Locks, LockTable
from nebula.engine.jobs.registry import operation
from nebula.engine.jobs.workers import Workers
from nebula.engine.services import Services
from nebula.engine.store.mapping import from_json, to_json
from nebula.engine.store.rows import EventRow, JobRow
from nebula.errors import OwnerError

_log = logging.getLogger(__name__)
_AFTER_FAULT = 5.0
"""Seconds after which a job whose turning point could not be written (a full disk) is taken up again."""
_SOON = 1.0
"""A job that waits no longer than this counts as busy: it waits for others of ours, not for a host."""
ENDED = ("done", "failed", "cancelled")


class Runner:
    """Jobs of one engine."""

    def __init__(self, services: Services) -> None:
        self._services = services
        services.errands.submit = self.submit
        self._lock = threading.Condition()
        self._locks = LockTable()
        self._keyed = KeyedLocks()
        self._known: dict[int, Locks] = {}
        self._fresh: dict[int, JobRow] = {}
        """Rows as they were filed or found, of jobs that did not begin and that nobody cancelled: they are not read again."""
        self._tokens: dict[int, CancelToken] = {}
        self._later: list[tuple[float, int]] = []
        self._awaited: dict[int, frozenset[int]] = {}
        """For which hosts each job of `_later` waits; empty: not for a host."""
        self._in_hand: set[int] = set()
        """Taken out of `_later`, and not known yet: without them the runner would look idle for a moment."""
        self._stopping = CancelToken()
        self._verbs: Verbs
        self._workers = Workers(services.settings.workers, "nebula-job")
        self._timer = threading.Thread(target=self._watch_clock, name="nebula-job-timer", daemon=True)
        self._timer.start()

    def serve(self, verbs: Verbs) -> None:
        """The façade's verbs for jobs that file others; before any job runs."""
        self._verbs = verbs

    def recover(self) -> int:
        """Take up every job that has not ended, whoever left it; returns how many."""
        rows = self._services.store.read().select(JobRow, "\"state\" IN ('ready','running','waiting') ORDER BY \"id\"")
        for row in rows:
            if row.state == "waiting":
                self._wait_until(row.id, row.not_before, _awaited(row))
            else:
                self.submit(row)
        return len(rows)

    def submit(self, job: JobRow) -> None:
        """A durable job is ready; call it after its commit."""
        locks = operation(job.kind).locks(job, self._services.settings)
        with self._lock:
            if self._stopping.is_set() or job.id in self._known:
                return
            self._known[job.id] = locks
            self._fresh[job.id] = job
            if self._locks.acquire(job.id, locks):
                self._start(job.id)

    def cancel(self, job_id: int, reason: str, *, begun: bool) -> None:
        """Set the token of a running job; one that waits for a time or a host is run now, to go back, and one that was
        not begun is run without waiting for its locks, to end.
        """
        with self._lock:
            self._fresh.pop(job_id, None)
            queued = job_id in self._known and job_id not in self._tokens and not self._stopping.is_set()
            if queued and not begun:
                self._locks.drop(job_id)
                self._known[job_id] = ()
                self._start(job_id)
            token = self._tokens.get(job_id)
        if token is not None:
            token.set(reason)
        else:
            self.poke([job_id])

    def host_is_back(self, host_id: int) -> None:
        """Try now what waits for this host, and what does not wait for hosts."""
        with self._lock:
            wanted = [job_id for job_id, hosts in self._awaited.items() if not hosts or host_id in hosts]
        self.poke(wanted)

    def poke(self, job_ids: Iterable[int]) -> None:
        """Try these jobs now, if they wait: a host is back, or somebody asked."""
        wanted = set(job_ids)
        with self._lock:
            now: list[tuple[float, int]] = []
            kept: list[tuple[float, int]] = []
            for when, job_id in self._later:
                (now if job_id in wanted else kept).append((when, job_id))
            heapq.heapify(kept)
            self._later = kept
            self._take_in_hand([job_id for _, job_id in now])
        for _, job_id in now:
            self._take_up(job_id)

    def busy(self) -> bool:
        """Whether any job is ready or running (waiting for a host does not count)."""
        with self._lock:
            return not self._is_idle()

    def waiting(self) -> int:
        """How many jobs wait for a time or a host."""
        with self._lock:
            return len(self._later)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is ready or running; False if time ran out first."""
        with self._lock:
            return self._lock.wait_for(self._is_idle, timeout)

    def _is_idle(self) -> bool:
        soon = self._services.clock.now() + _SOON
        return not self._known and not self._in_hand and not (self._later and self._later[0][0] <= soon)

    def stop(self, reason: str) -> None:
        """Let every job end its step at a safe point and leave it to the next owner."""
        self._stopping.set(reason)
        with self._lock:
            tokens = list(self._tokens.values())
            self._known = {job_id: locks for job_id, locks in self._known.items() if job_id in self._tokens}
            self._lock.notify_all()
        for token in tokens:
            token.set(reason)
        with self._lock:
            self._lock.wait_for(lambda: not self._tokens)
        self._workers.stop()
        self._timer.join()

    def locks_held(self) -> dict[str, int]:
        """For status and tests."""
        with self._lock:
            return self._locks.held()

    def _start(self, job_id: int) -> None:
        self._tokens[job_id] = CancelToken()
        self._workers.begin(partial(self._begin, job_id))

    def _begin(self, job_id: int) -> None:
        """Run a job up to its first transaction."""
        job: JobRow | None = None
        try:
            with self._lock:
                token = self._tokens[job_id]
                fresh = self._fresh.pop(job_id, None)
            if not self._stopping.is_set():
                job = _as_stored(fresh) if fresh else self._services.store.read().get(JobRow, job_id)
            if job is None or job.state in ENDED:
                self._leave(job_id, End.PARKED)
                return
            if job.cancel:
                token.set(self._why_cancelled(job_id))
            context = JobContext(job, self._services, token, self._keyed, self._verbs)
            turns = Execution(context, operation(job.kind), self._stopping, lambda: self._renew(job_id)).run()
        except Exception as error:
            self._ended(job_id, job, error)
        else:
            self._go_on(job, turns, None)

    def _go_on(self, job: JobRow, turns: Turns, written: Future[Any] | None) -> None:
        """Run it up to its next transaction, after which a thread is found for the rest."""
        try:
            failed = written.exception() if written is not None else None
            work = turns.throw(failed) if failed is not None else next(turns)
            written = self._services.store.submit(work)
        except StopIteration as stop:
            self._ended(job.id, job, stop.value)
        except Exception as error:
            self._ended(job.id, job, error)
        else:
            written.add_done_callback(lambda done: self._workers.go_on(partial(self._go_on, job, turns, done)))

    def _ended(self, job_id: int, job: JobRow | None, how: End | Exception) -> None:
        """Its run is over, as it told, or by a fault that was none of its steps'."""
        if isinstance(how, End) and job is not None:
            self._leave(job_id, how, job.not_before, _awaited(job))
        elif isinstance(how, OwnerError):
            _log.warning("job %d is left to the engine's new owner", job_id)
            self._leave(job_id, End.PARKED)
        else:
            fault = how if isinstance(how, Exception) else None
            _log.error("job %d met a fault outside its steps; it is taken up again", job_id, exc_info=fault)
            self._leave(job_id, End.WAITING, self._services.clock.now() + _AFTER_FAULT)

    def _why_cancelled(self, job_id: int) -> str:
        """As it was said when it was asked for, to this engine or to an earlier one."""
        where = '"object_kind"=\'job\' AND "object_id"=? AND "kind"=\'job.cancel\' ORDER BY "id" DESC'
        event = self._services.store.read().first(EventRow, where, (job_id,))
        return str(event.body.get("reason", "")) if event else "cancelled"

    def _renew(self, job_id: int) -> CancelToken:
        token = CancelToken()
        with self._lock:
            self._tokens[job_id] = token
        if self._stopping.is_set():
            token.set(self._stopping.reason)
        return token

    def _leave(self, job_id: int, end: End, not_before: float = 0.0, awaited: frozenset[int] = frozenset()) -> None:
        with self._lock:
            self._tokens.pop(job_id, None)
            for woken in self._locks.release(self._known.pop(job_id, ())):
                if not self._stopping.is_set():
                    self._start(woken)
            if end is End.WAITING:
                heapq.heappush(self._later, (not_before, job_id))
                self._awaited[job_id] = awaited
            self._lock.notify_all()

    def _wait_until(self, job_id: int, when: float, awaited: frozenset[int] = frozenset()) -> None:
        with self._lock:
            heapq.heappush(self._later, (when, job_id))
            self._awaited[job_id] = awaited
            self._lock.notify_all()

    def _take_in_hand(self, job_ids: Iterable[int]) -> None:
        for job_id in job_ids:
            self._in_hand.add(job_id)
            self._awaited.pop(job_id, None)

    def _take_up(self, job_id: int) -> None:
        try:
            row = self._services.store.read().get(JobRow, job_id)
            if row.state not in ENDED:
                self.submit(row)
        except Exception:
            _log.exception("job %d could not be taken up; again later", job_id)
            self._wait_until(job_id, self._services.clock.now() + _AFTER_FAULT)
        finally:
            with self._lock:
                self._in_hand.discard(job_id)
                self._lock.notify_all()

    def _watch_clock(self) -> None:
        while not self._stopping.is_set():
            due: list[int] = []
            with self._lock:
                now = self._services.clock.now()
                while self._later and self._later[0][0] <= now:
                    due.append(heapq.heappop(self._later)[1])
                self._take_in_hand(due)
                if not due:
                    delay = min(1.0, self._later[0][0] - now) if self._later else 1.0
                    self._lock.wait(max(0.01, delay))
            for job_id in due:
                self._take_up(job_id)


def _awaited(job: JobRow) -> frozenset[int]:
    return frozenset(int(host_id) for host_id in job.facts.get(AWAITED, ()))


def _as_stored(job: JobRow) -> JobRow:
    """A row that was filed, as it would be read."""
    return msgspec.structs.replace(job, args=from_json(to_json(job.args)))

"""Counted locks of the jobs of one engine: a job gets all that it asks for, or none and waits behind the first full one."""

from __future__ import annotations

from collections import deque

from nebula.engine.jobs.base import Lock

Locks = tuple[Lock, ...]


class LockTable:
    """Not thread-safe by itself: the dispatcher holds its own lock around it."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[int, Locks]]] = {}

    def acquire(self, job_id: int, locks: Locks) -> bool:
        """Take them all, or none: then the job is queued and `release` will name it once it holds them."""
        for lock in locks:
            if self._held.get(lock.name, 0) >= lock.limit:
                self._waiting.setdefault(lock.name, deque()).append((job_id, locks))
                return False
        for lock in locks:
            self._held[lock.name] = self._held.get(lock.name, 0) + 1
        return True

    def release(self, locks: Locks) -> list[int]:
        """Give them back; returns the waiting jobs that hold all of theirs now."""
        for lock in locks:
            left = self._held[lock.name] - 1
            if left:
                self._held[lock.name] = left
            else:
                del self._held[lock.name]
        return [job for lock in locks for job in self._grant(lock.name)]

    def drop(self, job_id: int) -> None:
        """Forget a job that waits."""
        for name in list(self._waiting):
            kept = deque(item for item in self._waiting[name] if item[0] != job_id)
            if kept:
                self._waiting[name] = kept
            else:
                del self._waiting[name]

    def held(self) -> dict[str, int]:
        """What is held, for status and tests."""
        return dict(self._held)

    def _grant(self, name: str) -> list[int]:
        granted: list[int] = []
        queue = self._waiting.pop(name, deque())
        while queue and self._free(name, queue[0][1]):
            job_id, locks = queue.popleft()
            if self.acquire(job_id, locks):
                granted.append(job_id)
        if queue:
            queue.extend(self._waiting.pop(name, ()))
            self._waiting[name] = queue
        return granted

    def _free(self, name: str, locks: Locks) -> bool:
        limit = next(lock.limit for lock in locks if lock.name == name)
        return self._held.get(name, 0) < limit

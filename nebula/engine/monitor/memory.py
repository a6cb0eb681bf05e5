"""Recent samples, in memory: the last ones of every host and domain, for rates, `top` and the forecast to come."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from nebula.model.domain import DomainStats
from nebula.model.host import HostSample

WRITE_EVERY = 300.0
"""Seconds between two writes of a host's figures: an engine must not wear out a disk."""
KEPT = 360
"""Samples of a host that are kept: an hour at 10 s."""


class Last(NamedTuple):
    """The newest statistics of a host's domains, by UUID, and when they were taken (monotonic seconds)."""

    at: float
    stats: dict[str, DomainStats]


class Recent:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[int, deque[HostSample]] = {}
        self._domains: dict[int, Last] = {}
        self._written: dict[int, tuple[int, float]] = {}

    def figures_due(self, host_id: int, now: float, *, busy: bool) -> bool:
        """Whether measured figures should go into the database: the first two looks, then, while the host runs a VM, every
        WRITE_EVERY seconds.
        """
        with self._lock:
            looks, last = self._written.get(host_id, (0, 0.0))
            if looks >= 2 and (not busy or now - last < WRITE_EVERY):
                return False
            self._written[host_id] = (looks + 1, now)
            return True

    def host(self, host_id: int, sample: HostSample) -> HostSample | None:
        """Keep a sample; returns the one before it."""
        with self._lock:
            samples = self._hosts.setdefault(host_id, deque(maxlen=KEPT))
            before = samples[-1] if samples else None
            samples.append(sample)
            return before

    def domains(self, host_id: int, last: Last) -> Last | None:
        """Keep statistics; returns those before."""
        with self._lock:
            before = self._domains.get(host_id)
            self._domains[host_id] = last
            return before

    def samples(self, host_id: int) -> list[HostSample]:
        """What is kept of a host, oldest first."""
        with self._lock:
            return list(self._hosts.get(host_id, ()))

    def forget(self, host_id: int) -> None:
        """The host is gone."""
        with self._lock:
            self._hosts.pop(host_id, None)
            self._domains.pop(host_id, None)

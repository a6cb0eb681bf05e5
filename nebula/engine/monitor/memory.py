"""The last counters of every host and domain, in memory: what the next ones are compared with."""

from __future__ import annotations

import threading
from typing import NamedTuple

from nebula.model.domain import DomainStats
from nebula.model.host import HostSample

WRITE_EVERY = 300.0
"""Seconds between two writes of a host's figures: an engine must not wear out a disk."""


class Last(NamedTuple):
    """The newest statistics of a host's domains, by UUID, and when they were taken (monotonic seconds)."""

    at: float
    stats: dict[str, DomainStats]


class Recent:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[int, tuple[HostSample | None, int]] = {}
        self._domains: dict[int, Last] = {}
        self._written: dict[int, tuple[int, float]] = {}
        self._hardware: dict[int, float] = {}

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

    def hardware_due(self, host_id: int, now: float) -> bool:
        """Whether a look should also ask for what changes seldom: the first one, then every WRITE_EVERY seconds."""
        with self._lock:
            last = self._hardware.get(host_id)
            if last is not None and now - last < WRITE_EVERY:
                return False
            self._hardware[host_id] = now
            return True

    def host(self, host_id: int, sample: HostSample) -> HostSample | None:
        """Keep a sample; returns the one before it."""
        with self._lock:
            before, looks = self._hosts.get(host_id, (None, 0))
            self._hosts[host_id] = (sample, looks + 1)
            return before

    def looks(self, host_id: int) -> int:
        """How often the host was sampled."""
        with self._lock:
            return self._hosts.get(host_id, (None, 0))[1]

    def domains(self, host_id: int, last: Last) -> Last | None:
        """Keep statistics; returns those before."""
        with self._lock:
            before = self._domains.get(host_id)
            self._domains[host_id] = last
            return before

    def forget(self, host_id: int) -> None:
        """The host is gone."""
        with self._lock:
            self._hosts.pop(host_id, None)
            self._hardware.pop(host_id, None)
            self._domains.pop(host_id, None)

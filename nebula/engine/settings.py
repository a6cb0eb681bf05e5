"""Limits and intervals of an engine: data, with their defaults, in one place."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are jobs at the same time; times in seconds."""

    workers: int = 48
    """Threads that run jobs: jobs in all."""
    starts_per_host: int = 16
    migrations_per_host: int = 2
    """In and out are counted apart."""
    copies_per_host: int = 2
    copies_per_datastore: int = 8
    monitor_interval: float = 10.0
    host_failures: int = 2
    """Samples in a row that must fail before a host is ERROR."""
    retry_first: float = 1.0
    retry_most: float = 60.0
    """Back-off of a job whose host does not answer: doubles from first to most."""
    give_up_after: float = 600.0
    """A job that waited this long for its host goes back (undo) instead of on."""
    schedule_delay: float = 0.02
    """How long the scheduler lets new VMs gather before it plans."""
    guest_shutdown: float = 120.0
    request_memory: float = 86400.0
    """How long answered requests are remembered by key."""
    event_memory: int = 200_000
    """Events kept."""

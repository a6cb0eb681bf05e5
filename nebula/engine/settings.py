"""Limits and intervals of an engine: data, with their defaults, in one place."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are jobs at the same time; times in seconds."""

    workers: int = 48
    """Threads that run jobs, at most: steps that wait for hosts at the same time."""
    starts_per_host: int = 16
    migrations_per_host: int = 2
    """In and out are counted apart."""
    copies_per_host: int = 2
    copies_per_datastore: int = 8
    backups: int = 5
    """Backups made, and restored from one repository."""
    backups_per_host: int = 2
    backup_increments: int = 30
    """After so many a backup copies everything again: a restore reads them all."""
    monitor_interval: float = 10.0
    host_failures: int = 2
    """Samples in a row that must fail before a host is ERROR."""
    look_patience: float = 4.0
    """After this long a look that has not ended is doubted: where the host does not even say that it is there, each such time
    counts as a failure, else every second one.
    """
    retry_first: float = 1.0
    retry_most: float = 60.0
    """Back-off of a job whose host does not answer: doubles from first to most."""
    children_look: float = 0.3
    """Between looks of a job at those that it filed and waits for."""
    give_up_after: float = 600.0
    """A job that waited this long for its host goes back (undo) instead of on."""
    schedule_delay: float = 0.02
    """How long the scheduler lets new VMs gather before it plans."""
    schedule_again: float = 60.0
    """While a VM that requires something, or lacks space in a datastore, finds no host: how soon to look again, as measured
    values change.
    """
    guest_shutdown: float = 120.0
    """A guest that is on after this long does not follow."""
    guest_asked_again: float = 10.0
    """Until then the button is pressed this often."""
    guest_look: float = 0.25
    """Between looks at a guest that is to go off, or to let go of a disk or a card."""
    guest_unplug: float = 30.0
    """A guest that has not let go of a disk or a card after this long keeps it."""
    request_memory: float = 86400.0
    """How long answered requests are remembered by key."""
    event_memory: int = 200_000
    """Events kept."""
    job_memory: int = 50_000
    """Jobs kept with their logs: the newest; beside them every job that is open, and the last one of each VM."""
    done_memory: int = 10_000
    """VMs in DONE kept with their histories: those that ended last."""
    rollup_days: float = 3.0
    """How long measurements are kept in slots of 5 minutes."""
    rollup_hours_days: float = 90.0
    """How long they are kept in hours."""

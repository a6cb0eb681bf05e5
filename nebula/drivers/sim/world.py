"""The simulated world: all hosts, in one SQLite file that outlives every process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from nebula.clock import Clock, SystemClock
from nebula.drivers.sim.audit import Audit
from nebula.drivers.sim.backups import Backups
from nebula.drivers.sim.clock import Sleep, real_sleep
from nebula.drivers.sim.copies import Copies
from nebula.drivers.sim.database import MEMORY, Database
from nebula.drivers.sim.disks import Disks
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.events import Follower
from nebula.drivers.sim.faults import Faults
from nebula.drivers.sim.gate import Gate
from nebula.drivers.sim.guests import Guests
from nebula.drivers.sim.hosts import Hosts
from nebula.drivers.sim.hotplug import Hotplug
from nebula.drivers.sim.layers import Layers
from nebula.drivers.sim.memories import Memories
from nebula.drivers.sim.migrations import Migrations
from nebula.drivers.sim.mirrors import Mirrors
from nebula.drivers.sim.storage import Storage
from nebula.drivers.sim.virsh import Virsh
from nebula.errors import UsageError


class Closable(Protocol):
    """Something that can be let go of."""

    def close(self) -> None:
        """Let go."""
        ...


DEFAULTS = {
    "offset": 0.0,
    "migration_seconds": 0.0,
    "migration_mib_per_second": 0.0,
    "copy_bytes_per_second": 0.0,
    "backup_seconds": 0.0,
    "mirror_seconds": 0.0,
    "datastore_bytes": float(1 << 40),
}
"""Settings of a new world. Migrations, copies, mirrors and backups end at once until they are given a duration."""


class SimWorld:
    """One world. Several processes may open its file, one after another or together; what one changes all see.

    For tests: `hosts` (add, power, network, libvirtd), `faults` (orders, latencies), `guests` (behaviour), `storage`
    (space), `virsh` (behind our back), `audit` (violations, leaks). For drivers: `gate` and the rest.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None, sleep: Sleep = real_sleep) -> None:
        self.path = str(path)
        self.db = Database(self.path)
        with self.db.write():
            for key, value in DEFAULTS.items():
                self.db.run("INSERT OR IGNORE INTO settings VALUES (?,?)", key, value)
        self.faults = Faults(self.db)
        self.gate = Gate(self.db, self.faults, clock or SystemClock(), sleep, self.settle)
        self.disks = Disks(self.db)
        self.domains = Domains(self.db, self.disks)
        self.migrations = Migrations(self.db, self.domains, self.faults)
        self.storage = Storage(self.db)
        self.memories = Memories(self.db, self.domains, self.disks, self.storage)
        self.hotplug = Hotplug(self.db, self.domains, self.disks)
        self.layers = Layers(self.db, self.domains, self.disks)
        self.backups = Backups(self.db, self.domains, self.storage)
        self.mirrors = Mirrors(self.db, self.domains, self.storage)
        self.copies = Copies(self.db, self.storage, self.faults)
        self.hosts = Hosts(self.db, self.gate, self.domains, self.migrations)
        self.guests = Guests(self.db, self.gate, self.domains)
        self.virsh = Virsh(self.db, self.gate, self.domains, self.migrations, self.storage)
        self.audit = Audit(self.db)
        self.follower = Follower(self.db, self.settle)
        self.consoles: dict[str, Closable] = {}

    @classmethod
    def in_memory(cls, *, clock: Clock | None = None, sleep: Sleep = real_sleep) -> SimWorld:
        """A world for scale runs, gone with its process."""
        return cls(MEMORY, clock=clock, sleep=sleep)

    def set(self, key: str, value: float) -> None:
        """One of the settings in DEFAULTS: seconds, MiB/s, bytes/s (0: no limit), bytes."""
        if key not in DEFAULTS:
            raise UsageError(f"the world has no setting {key!r}", hint=f"use one of: {', '.join(DEFAULTS)}")
        with self.db.write():
            self.db.run("UPDATE settings SET value=? WHERE key=?", value, key)

    def now(self) -> float:
        """The world's time, seconds since the epoch."""
        return self.gate.now()

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for every process that has the world open, and do what falls due."""
        with self.db.write():
            self.db.run("UPDATE settings SET value = value + ? WHERE key = 'offset'", seconds)
        self.settle()

    def settle(self, now: float | None = None) -> None:
        """Do what has fallen due: guests that stop, migrations and copies that end. Whoever looks calls it."""
        moment = self.now() if now is None else now
        if self.db.one("SELECT 1 FROM timers WHERE at <= ?", moment) is None:
            return
        with self.db.write():
            while row := self.db.one(
                "SELECT id, at, kind, host, uuid, ref FROM timers WHERE at <= ? ORDER BY at, id LIMIT 1", moment
            ):
                timer_id, at, kind, host, uuid, ref = row
                self.db.run("DELETE FROM timers WHERE id=?", timer_id)
                self._due(at, kind, host, uuid, ref)

    def _due(self, at: float, kind: str, host: str, uuid: str, ref: int) -> None:
        if kind == "migration":
            self.migrations.complete(ref, at)
        elif kind == "migration_fails":
            self.migrations.fail(ref, at)
        elif kind == "copy":
            self.copies.settle(ref)
        else:
            self.domains.stop(host, uuid, "crashed" if kind == "crash" else "shutdown", at)

    def order_fault(
        self, host: str, operation: str, error_class_code: str, times: int = 1, *, after: int = 0, subject: str = ""
    ) -> int:
        """Let the operation fail; see Faults.error. Returns the order's id, for `faults.release`."""
        return self.faults.error(host, operation, error_class_code, times, after=after, subject=subject)

    def double_runs(self) -> list[str]:
        """See Audit.double_runs."""
        return self.audit.double_runs()

    def leaks(self, expected_vm_ids: Collection[int]) -> list[str]:
        """See Audit.leaks."""
        return self.audit.leaks(expected_vm_ids)

    def close(self) -> None:
        """End subscriptions and let go of the file; the world stays."""
        self.follower.close()
        self.db.close()

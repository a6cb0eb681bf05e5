"""What guests do: how they take an ACPI shutdown, when they stop or crash, and how busy they are."""

from __future__ import annotations

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.gate import Gate
from nebula.drivers.sim.load import PROFILES, Profile
from nebula.drivers.sim.records import Domain
from nebula.errors import NotFoundError, UsageError

EVERY_GUEST = "*"


class Guests:
    """Behaviour of guests, ordered ahead (`order`) or happening now (`crash`, `power_off`, `io_error`)."""

    def __init__(self, db: Database, gate: Gate, domains: Domains) -> None:
        self._db, self._gate, self._domains = db, gate, domains

    def order(
        self,
        key: str,
        *,
        profile: Profile = "idle",
        ignores_shutdown: bool = False,
        shutdown_seconds: float = 0.0,
        stops_after: float = 0.0,
        crashes_after: float = 0.0,
    ) -> None:
        """How a guest behaves from now on. `key`: its UUID, the VM's own name, or EVERY_GUEST; the most exact order
        counts. `stops_after` and `crashes_after` are seconds after its next start, 0 never.
        """
        if profile not in PROFILES:
            raise UsageError(f"no load is called {profile!r}", hint=f"use one of: {', '.join(PROFILES)}")
        now = self._gate.now()
        with self._db.write():
            self._db.run(
                "INSERT OR REPLACE INTO guests VALUES (?,?,?,?,?,?)",
                key, profile, ignores_shutdown, shutdown_seconds, stops_after, crashes_after,
            )  # fmt: skip
            for host, uuid in self._db.all("SELECT host, uuid FROM domains WHERE active=1"):
                self._follow_profile(self._domains.require(host, uuid), now)

    def _follow_profile(self, found: Domain, now: float) -> None:
        profile = self._domains.guest(found.spec, found.uuid, found.name)[0]
        if profile != found.profile:
            self._db.run(
                "UPDATE domains SET profile=?, activity=?, since=? WHERE host=? AND uuid=?",
                profile, found.activity_at(now), None if found.since is None else now, found.host, found.uuid,
            )  # fmt: skip

    def _running(self, uuid: str) -> Domain:
        for found in self._domains.everywhere(uuid):
            if found.active and not found.incoming:
                return found
        raise NotFoundError(f"no host runs domain {uuid}")

    def power_off(self, uuid: str) -> None:
        """The guest powers itself off."""
        with self._db.write():
            self._domains.stop(self._running(uuid).host, uuid, "shutdown", self._gate.now())

    def crash(self, uuid: str) -> None:
        """QEMU dies."""
        with self._db.write():
            self._domains.stop(self._running(uuid).host, uuid, "crashed", self._gate.now())

    def io_error(self, uuid: str, path: str = "", words: str = "enospc") -> None:
        """A disk has no room: the guest is paused."""
        with self._db.write():
            self._domains.pause(self._running(uuid).host, uuid, "io_error", self._gate.now(), f"{path} {words}".strip())

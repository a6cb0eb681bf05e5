"""Things done behind the engine's back, by somebody with virsh on the host."""

from __future__ import annotations

from uuid import NAMESPACE_DNS, uuid5

import msgspec

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.gate import Gate
from nebula.drivers.sim.load import seed_of
from nebula.drivers.sim.migrations import Migrations
from nebula.drivers.sim.records import DOMAIN_COLUMNS
from nebula.errors import NotFoundError, UsageError
from nebula.model.domain import DomainSpec

VERBS = ("destroy", "migrate", "resume", "shutdown", "start", "suspend", "undefine")


class Virsh:
    """Acts on hosts past the gate: no latency, no fault, no permission."""

    def __init__(self, db: Database, gate: Gate, domains: Domains, migrations: Migrations) -> None:
        self._db, self._gate, self._domains, self._migrations = db, gate, domains, migrations

    def __call__(self, host: str, verb: str, uuid: str, *, to: str = "") -> None:
        """Do the verb (one of VERBS; `to`: the target of migrate, whose disks must be there)."""
        if verb not in VERBS:
            raise UsageError(f"the simulated virsh knows no {verb!r}", hint=f"use one of: {', '.join(VERBS)}")
        now = self._gate.now()
        with self._db.write():
            if verb == "destroy":
                self._domains.stop(host, uuid, "destroyed", now)
            elif verb == "migrate":
                self._migrations.begin(host, uuid, to, now)
            elif verb == "resume":
                self._domains.unpause(host, uuid, now)
            elif verb == "shutdown":
                self._domains.shutdown(host, uuid, now)
            elif verb == "start":
                self._start(host, uuid, now)
            elif verb == "suspend":
                self._domains.pause(host, uuid, "user", now)
            else:
                self._domains.undefine(host, uuid)

    def _start(self, host: str, uuid: str, now: float) -> None:
        spec = self._domains.require(host, uuid, active=False).spec
        if spec is None:
            self._db.run(
                "UPDATE domains SET state='running', reason='booted', active=1, since=? WHERE host=? AND uuid=?",
                now,
                host,
                uuid,
            )
            self._db.event(host, uuid, "started", "booted")
        else:
            self._domains.start(host, spec, now)

    def define(self, host: str, spec: DomainSpec) -> None:
        """Put a definition on a host, off."""
        with self._db.write():
            self._domains.define(host, spec, self._gate.now())

    def start_copy(self, host: str, uuid: str, elsewhere: str) -> None:
        """Start the domain that `host` knows on another host too: what must never happen."""
        with self._db.write():
            spec = self._domains.require(host, uuid, active=False).spec
            if spec is None:
                raise NotFoundError(f"nothing is known of domain {uuid} on host {host}")
            self._domains.start(elsewhere, msgspec.structs.replace(spec, interfaces=()), self._gate.now())

    def add_foreign(self, host: str, name: str, *, running: bool = True, vcpus: int = 1, memory_mib: int = 1024) -> str:
        """A domain that somebody else made; its UUID. There already: nothing."""
        uuid = str(uuid5(NAMESPACE_DNS, f"{host}/{name}"))
        now = self._gate.now()
        state, reason = ("running", "booted") if running else ("shutoff", "unknown")
        with self._db.write():
            made = self._db.run(
                f"INSERT OR IGNORE INTO domains({DOMAIN_COLUMNS}) VALUES (?,?,NULL,?,?,?,1,0,?,?,?,'steady',?,0,?,NULL)",  # noqa: S608
                host, uuid, name, state, reason, running, vcpus, memory_mib, seed_of(uuid), now if running else None,
            )  # fmt: skip
            if made:
                self._db.event(host, uuid, "defined", "added")
        return uuid

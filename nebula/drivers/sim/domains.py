"""Domains of the simulated hosts: what QEMU and libvirt would do with them. Every method runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.disks import Disks
from nebula.drivers.sim.load import counters, seed_of
from nebula.drivers.sim.records import DOMAIN_COLUMNS, Domain, encode
from nebula.errors import ConflictError, NotFoundError, WrongStateError
from nebula.model.domain import DomainSpec

_GUEST = (
    "SELECT profile, stops_after, crashes_after, ignores_shutdown, shutdown_seconds FROM guests WHERE key IN (?,?,?,'*')"
    " ORDER BY key = '*', key != ? LIMIT 1"
)
_PUT = (
    f"INSERT INTO domains({DOMAIN_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"  # noqa: S608
    " vm_id=excluded.vm_id, name=excluded.name, state=excluded.state, reason=excluded.reason, persistent=excluded.persistent,"
    " incoming=excluded.incoming, active=excluded.active, vcpus=excluded.vcpus, memory_mib=excluded.memory_mib,"
    " profile=excluded.profile, seed=excluded.seed, activity=excluded.activity, since=excluded.since, spec=excluded.spec"
)
_KEPT = "/var/lib/libvirt/qemu/save/"
_SAVED = f"active=0 AND EXISTS (SELECT 1 FROM files f WHERE f.scope=host AND f.path='{_KEPT}' || name || '.save')"  # noqa: S608
_OF_HOST = f"SELECT {DOMAIN_COLUMNS}, {_SAVED} FROM domains WHERE host=?"  # noqa: S608
_ONE = f"{_OF_HOST} AND uuid=?"
_OF_UUID = f"SELECT {DOMAIN_COLUMNS}, {_SAVED} FROM domains WHERE uuid=?"  # noqa: S608
_DEPART = (
    "UPDATE hosts SET departed_busy=departed_busy+?, departed_read=departed_read+?, departed_written=departed_written+?,"
    " departed_received=departed_received+?, departed_sent=departed_sent+? WHERE name=?"
)
Ordered = tuple[str, float, float, int, float]
"""What a guest was ordered to be: see `_GUEST`."""
DEFAULT_GUEST: Ordered = ("idle", 0.0, 0.0, 0, 0.0)


def kept_memory(name: str) -> str:
    """The file in which a host keeps the memory of a domain of that name."""
    return f"{_KEPT}{name}.save"


class Domains:
    """All domains of all hosts. `on_stop(host, uuid, now)` is told of each that ends, before it is gone."""

    def __init__(self, db: Database, disks: Disks) -> None:
        self._db, self._disks = db, disks
        self.on_stop: Callable[[str, str, float], None] = lambda _host, _uuid, _now: None

    def get(self, host: str, uuid: str) -> Domain | None:
        """One domain."""
        row = self._db.one(_ONE, host, uuid)
        return None if row is None else Domain._make(row)

    def on(self, host: str, *, active: bool = False) -> Iterator[Domain]:
        """The domains of a host."""
        return map(Domain._make, self._db.all(f"{_OF_HOST} AND active=1" if active else _OF_HOST, host))

    def everywhere(self, uuid: str) -> list[Domain]:
        """The domains of one UUID, on all hosts."""
        return list(map(Domain._make, self._db.all(_OF_UUID, uuid)))

    def require(self, host: str, uuid: str, *, active: bool = True) -> Domain:
        """The domain; NotFoundError if there is none, WrongStateError if it is off and must not be."""
        found = self.get(host, uuid)
        if found is None:
            raise NotFoundError(f"host {host} has no domain {uuid}", cause="Domain not found", hint=f"nebula host show {host}")
        if active and not found.active:
            raise WrongStateError(
                f"domain {found.name} on host {host} is off", cause="domain is not running", hint=f"nebula host show {host}"
            )
        return found

    def guest(self, spec: DomainSpec | None, uuid: str, name: str) -> Ordered:
        """What the guest was ordered to be: by UUID, else by the VM's own name or the domain's, else by "*"."""
        row = self._db.one(_GUEST, uuid, spec.title if spec else name, name, uuid)
        return DEFAULT_GUEST if row is None else (row[0], row[1], row[2], row[3], row[4])

    def start(self, host: str, spec: DomainSpec, now: float) -> None:
        """See Hypervisor.start."""
        self.start_anew(host, spec, self.get(host, spec.uuid), now)

    def start_anew(self, host: str, spec: DomainSpec, found: Domain | None, now: float) -> None:
        """The same for who has looked what is there."""
        if found is not None and found.incoming:
            raise ConflictError(
                f"domain {spec.name} cannot start on host {host}",
                cause="it is paused there as the remains of an incoming migration",
                hint=f"nebula vm recover {spec.vm_id}",
            )
        if found is not None and found.active:
            return
        if self._db.one("SELECT 1 FROM domains WHERE host=? AND name=? AND uuid!=?", host, spec.name, spec.uuid):
            raise ConflictError(f"another domain is called {spec.name} on host {host}", hint=f"nebula host show {host}")
        self._disks.check_there(host, spec)
        self._db.event(host, spec.uuid, "defined", "added" if found is None else "updated")
        self._run(host, spec, self._put(host, spec, "running", "booted", now), now)
        self._db.event(host, spec.uuid, "started", "booted")

    def go_on(self, host: str, spec: DomainSpec, *, paused: bool, now: float) -> None:
        """A domain from its memory: running, or paused with its disks open and nothing written to them."""
        self._disks.check_there(host, spec)
        self._put(host, spec, "paused" if paused else "running", "user" if paused else "restored", now)
        self.plug(host, spec)
        self._disks.open(host, spec, now, writes=not paused)
        self._check_alone(host, spec.uuid, now)
        self._db.event(host, spec.uuid, "started", "restored")

    def start_defined(self, host: str, uuid: str, now: float) -> None:
        """A domain starts as it is defined."""
        spec = self.require(host, uuid, active=False).spec
        if spec is not None:
            self.start(host, spec, now)
            return
        where = "WHERE host=? AND uuid=? AND active=0"
        if self._db.run(f"UPDATE domains SET state='running', reason='booted', active=1, since=? {where}", now, host, uuid):  # noqa: S608
            self._db.event(host, uuid, "started", "booted")

    def refuse_used(self, host: str, paths: Collection[str]) -> None:
        """ConflictError if a domain of the host, on or off, has one of the files as a disk."""
        for domain in self.on(host):
            used = {disk.path for disk in domain.spec.disks} & set(paths) if domain.spec else set()
            if used:
                raise ConflictError(f"{min(used)} on host {host} is not deleted", cause=f"domain {domain.name} has it, too")

    def define(self, host: str, spec: DomainSpec, now: float) -> None:
        """A persistent definition that is off."""
        self._put(host, spec, "shutoff", "unknown", now, active=False)
        self._db.event(host, spec.uuid, "defined", "added")

    def arrive(self, host: str, spec: DomainSpec, now: float) -> None:
        """The paused, transient target of a migration that begins."""
        self._disks.check_there(host, spec)
        self._put(host, spec, "paused", "migration", now, persistent=False, incoming=True)
        self.plug(host, spec)
        self._db.event(host, spec.uuid, "started", "migrated")
        self._db.event(host, spec.uuid, "suspended", "paused")

    def take_over(self, host: str, spec: DomainSpec, *, paused: bool, now: float) -> None:
        """The target of a migration that ended well goes on, persistent."""
        state, reason = ("paused", "user") if paused else ("running", "migrated")
        self._put(host, spec, state, reason, now)
        self._disks.open(host, spec, now)
        self._check_alone(host, spec.uuid, now)
        self._db.event(host, spec.uuid, "defined", "added")
        if not paused:
            self._db.event(host, spec.uuid, "resumed", "migrated")

    def _put(
        self, host: str, spec: DomainSpec, state: str, reason: str, now: float, *,
        active: bool = True, persistent: bool = True, incoming: bool = False,
    ) -> Ordered:  # fmt: skip
        ordered = self.guest(spec, spec.uuid, spec.name)
        since = now if state == "running" else None
        ours = spec.vm_id if spec.vm_id >= 0 else None
        self._db.run(
            _PUT, host, spec.uuid, ours, spec.name, state, reason, persistent, incoming, active, spec.vcpus,
            spec.memory_mib, ordered[0], seed_of(spec.uuid), 0.0, since, encode(spec),
        )  # fmt: skip
        return ordered

    def _run(self, host: str, spec: DomainSpec, ordered: Ordered, now: float) -> None:
        """A fresh QEMU process: its cards, its disks, what its guest will do by itself."""
        self.plug(host, spec)
        self._disks.open(host, spec, now)
        self._check_alone(host, spec.uuid, now)
        _, stops_after, crashes_after, _, _ = ordered
        for kind, seconds in (("stop", stops_after), ("crash", crashes_after)):
            if seconds > 0:
                self.later(now + seconds, kind, host, spec.uuid)

    def plug(self, host: str, spec: DomainSpec) -> None:
        """The taps of its cards, on bridges that must be there."""
        self._check_bridges(host, spec)
        for card in (card for card in spec.interfaces if not card.address):
            self._db.run("INSERT OR REPLACE INTO taps VALUES (?,?,?,?)", host, card.tap, card.bridge, spec.uuid)

    def _check_bridges(self, host: str, spec: DomainSpec) -> None:
        for card in (card for card in spec.interfaces if not card.address):
            if self._db.one("SELECT 1 FROM bridges WHERE host=? AND name=?", host, card.bridge) is None:
                raise NotFoundError(
                    f"domain {spec.name} cannot start on host {host}",
                    cause=f"Cannot get interface MTU on '{card.bridge}': No such device",
                    hint=f"nebula host check {host}",
                )

    def _check_alone(self, host: str, uuid: str, now: float) -> None:
        """Record a violation if the domain runs elsewhere too."""
        others = self._db.all("SELECT host FROM domains WHERE uuid=? AND host!=? AND state='running' AND active=1", uuid, host)
        for (other,) in others:
            self._db.violation(now, "double_run", f"{uuid} began to run on {host} while it ran on {other}")

    def later(self, at: float, kind: str, host: str, uuid: str, ref: int = 0) -> None:
        """Something will happen to a domain at that time."""
        self._db.run("INSERT INTO timers(at, kind, host, uuid, ref) VALUES (?,?,?,?,?)", at, kind, host, uuid, ref)

    def stop(self, host: str, uuid: str, reason: str, now: float) -> None:
        """The domain's QEMU process ends; off or not there: nothing. A transient domain is gone after it."""
        found = self.get(host, uuid)
        if found is None or not found.active:
            return
        self.on_stop(host, uuid, now)
        found = self.get(host, uuid)
        if found is None or not found.active:
            return
        self.off(found, reason, now)
        if reason == "shutdown":
            self._db.event(host, uuid, "shutdown", "guest")
        self._db.event(host, uuid, "stopped", reason)

    def off(self, found: Domain, reason: str, now: float) -> None:
        """Take the running domain away without a word."""
        host, uuid = found.host, found.uuid
        for table in ("backups", "frozen"):
            self._db.run(f"DELETE FROM {table} WHERE host=? AND uuid=?", host, uuid)  # noqa: S608
        worked = found.activity_at(now)
        shown = counters(worked, found.seed, found.vcpus, found.memory_mib)
        self._db.run(
            _DEPART,
            worked * found.vcpus,
            shown.disk_read_bytes,
            shown.disk_write_bytes,
            shown.net_rx_bytes,
            shown.net_tx_bytes,
            host,
        )
        self._db.run("DELETE FROM taps WHERE host=? AND uuid=?", host, uuid)
        self._db.run("DELETE FROM timers WHERE host=? AND uuid=? AND kind NOT IN ('migration', 'migration_fails')", host, uuid)
        self._disks.close(host, uuid)
        if found.persistent:
            self._db.run(
                "UPDATE domains SET state='shutoff', reason=?, active=0, incoming=0, since=NULL, activity=0"
                " WHERE host=? AND uuid=?",
                reason, host, uuid,
            )  # fmt: skip
        else:
            self._db.run("DELETE FROM domains WHERE host=? AND uuid=?", host, uuid)

    def undefine(self, host: str, uuid: str) -> None:
        """See Hypervisor.undefine."""
        found = self.get(host, uuid)
        if found is None:
            return
        if found.active:
            raise WrongStateError(
                f"domain {found.name} on host {host} still runs", cause="cannot undefine it", hint=f"nebula host show {host}"
            )
        self._db.run("DELETE FROM domains WHERE host=? AND uuid=?", host, uuid)
        self._db.run("DELETE FROM snapshots WHERE host=? AND uuid=?", host, uuid)
        self._db.run("DELETE FROM checkpoints WHERE host=? AND uuid=?", host, uuid)
        self._db.run("DELETE FROM files WHERE scope=? AND path=?", host, kept_memory(found.name))
        self._db.event(host, uuid, "undefined", "removed")

    def pause(self, host: str, uuid: str, reason: str, now: float, detail: str = "") -> None:
        """Stop the vCPUs; paused already: nothing."""
        found = self.require(host, uuid)
        if found.state == "paused":
            return
        self._db.run(
            "UPDATE domains SET state='paused', reason=?, activity=?, since=NULL WHERE host=? AND uuid=?",
            reason, found.activity_at(now), host, uuid,
        )  # fmt: skip
        self._db.event(host, uuid, "suspended", "paused" if reason == "user" else reason)
        if reason == "io_error":
            self._db.event(host, uuid, "io_error", reason, detail)

    def unpause(self, host: str, uuid: str, now: float) -> None:
        """Let the vCPUs go on; running already: nothing."""
        found = self.require(host, uuid)
        if found.incoming:
            raise ConflictError(
                f"domain {found.name} on host {host} cannot go on", cause="it is the target of an incoming migration",
                hint=f"nebula host show {host}",
            )  # fmt: skip
        if found.state == "running":
            return
        self._db.run("UPDATE domains SET state='running', reason='unpaused', since=? WHERE host=? AND uuid=?", now, host, uuid)
        if found.spec is not None:
            self._disks.open(host, found.spec, now)
        self._check_alone(host, uuid, now)
        self._db.event(host, uuid, "resumed", "unpaused")

    def shutdown(self, host: str, uuid: str, now: float) -> None:
        """Ask the guest; a paused one, or one that ignores ACPI, does nothing."""
        found = self.require(host, uuid)
        _, _, _, ignores, seconds = self.guest(found.spec, uuid, found.name)
        if ignores or found.state != "running":
            return
        if seconds <= 0:
            self.stop(host, uuid, "shutdown", now)
        elif self._db.one("SELECT 1 FROM timers WHERE host=? AND uuid=? AND kind='shutdown'", host, uuid) is None:
            self.later(now + seconds, "shutdown", host, uuid)

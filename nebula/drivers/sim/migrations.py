"""Live migrations between simulated hosts. Their course is a start, a duration and the world's clock, carried by no process."""

from __future__ import annotations

import msgspec

from nebula import typed
from nebula.drivers.sim.database import Database
from nebula.drivers.sim.disks import writable
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.faults import Faults
from nebula.drivers.sim.places import place
from nebula.drivers.sim.records import MIGRATION_COLUMNS, Domain, Migration, encode
from nebula.errors import ConflictError, NotFoundError, UnreachableError
from nebula.model.domain import DomainSpec

MIB = 1 << 20
_RUNNING = f"SELECT {MIGRATION_COLUMNS} FROM migrations WHERE uuid=? AND source=? AND status='running'"  # noqa: S608
_BY_ID = f"SELECT {MIGRATION_COLUMNS} FROM migrations WHERE id=?"  # noqa: S608
_decode_targets = typed.decoder(tuple[str, ...])
_decode_spec = typed.decoder(DomainSpec)


class Migrations:
    """All migrations, those under way and those that ended. Every method runs inside a transaction."""

    def __init__(self, db: Database, domains: Domains, faults: Faults) -> None:
        self._db, self._domains, self._faults = db, domains, faults
        domains.on_stop = self.stopped

    def running(self, uuid: str, source: str) -> Migration | None:
        """The outgoing migration of a domain."""
        row = self._db.one(_RUNNING, uuid, source)
        return None if row is None else Migration._make(row)

    def get(self, migration_id: int) -> Migration:
        """A migration, ended or not."""
        row = self._db.one(_BY_ID, migration_id)
        assert row is not None  # noqa: S101 - rows of migrations are never deleted
        return Migration._make(row)

    def begin(
        self, source: str, uuid: str, target: str, now: float, *,
        copy_targets: tuple[str, ...] = (), disk_paths: tuple[tuple[str, str], ...] = (), bandwidth_mib: int = 0,
        booted: tuple[str, str] = ("", ""),
        pins: tuple[str, ...] = (), host_nodes: tuple[int, ...] = (),
    ) -> int | None:  # fmt: skip
        """Start one, or find the one under way; its id. None: the domain is at the target already and gone here."""
        under_way = self.running(uuid, source)
        if under_way is not None:
            return _to_follow(under_way, target)
        self._require_answer(target)
        at_target = self._domains.get(target, uuid)
        if at_target is not None and not at_target.incoming and self._domains.get(source, uuid) is None:
            return None
        domain = self._domains.require(source, uuid)
        if domain.incoming:
            raise ConflictError(
                f"domain {domain.name} on host {source} cannot be migrated on",
                cause="it is the target of an incoming migration",
                hint=f"nebula host show {source}",
            )
        spec = domain.spec
        if spec is None:
            raise ConflictError(f"domain {domain.name} on host {source} is not ours", cause="nothing is known of its disks")
        _require_absence(target, at_target)
        moved = _at_target(spec, dict(disk_paths), booted, pins, host_nodes)
        self._domains.arrive(target, moved, now)
        total, duration = self._course(spec, copy_targets, source, bandwidth_mib)
        migration_id = self._db.insert(
            "INSERT INTO migrations(uuid, source, target, started, duration, total, status, code, words, copied, spec)"
            " VALUES (?,?,?,?,?,?,'running','','',?,?)",
            uuid, source, target, now, duration, total, encode(copy_targets), encode(moved),
        )  # fmt: skip
        self._schedule(migration_id, source, uuid, now, duration)
        return migration_id

    def _schedule(self, migration_id: int, source: str, uuid: str, now: float, duration: float) -> None:
        fault = self._faults.strike(source, "hypervisor.migrate.halfway", uuid)
        if fault is not None:
            self._db.run("UPDATE migrations SET code=?, words=? WHERE id=?", fault.code, fault.words, migration_id)
        kind, after = ("migration", duration) if fault is None else ("migration_fails", duration / 2)
        if after > 0:
            self._domains.later(now + after, kind, source, uuid, migration_id)
        elif fault is None:
            self.complete(migration_id, now)
        else:
            self.fail(migration_id, now)

    def _require_answer(self, target: str) -> None:
        row = self._db.one("SELECT powered AND connected AND libvirtd FROM hosts WHERE name=?", target)
        if row is None or not row[0]:
            raise UnreachableError(
                f"host {target} does not answer its peers",
                cause="unable to connect to server",
                hint=f"nebula host check {target}",
            )

    def _course(self, spec: DomainSpec, copied: tuple[str, ...], source: str, bandwidth_mib: int) -> tuple[int, float]:
        """Bytes and seconds of a migration: its memory, and the disks that are copied."""
        total = spec.memory_mib * MIB
        for disk in spec.disks:
            if disk.target in copied:
                row = self._db.one("SELECT size FROM files WHERE scope=? AND path=?", place(source, disk.path).scope, disk.path)
                total += int(row[0]) if row else 0
        rows: dict[str, float] = dict(
            self._db.all("SELECT key, value FROM settings WHERE key IN ('migration_seconds', 'migration_mib_per_second')")
        )
        duration = float(rows["migration_seconds"])
        speeds = [speed for speed in (rows["migration_mib_per_second"], bandwidth_mib) if speed]
        if duration and speeds:
            duration += total / MIB / min(speeds)
        return total, duration

    def complete(self, migration_id: int, now: float) -> None:
        """It ends well: the guest runs at the target, persistent, and the source has forgotten it."""
        found = self.get(migration_id)
        source = self._domains.get(found.source, found.uuid)
        if found.status != "running" or source is None:
            return
        spec = self._spec(migration_id)
        self._end(migration_id, "done")
        self._copy_disks(found, source, spec)
        paused = source.state == "paused"
        timers = self._db.all("SELECT at, kind FROM timers WHERE host=? AND uuid=? AND ref=0", found.source, found.uuid)
        self._domains.off(source, "migrated", now)
        self._db.event(found.source, found.uuid, "stopped", "migrated")
        self._domains.undefine(found.source, found.uuid)
        self._domains.take_over(found.target, spec, paused=paused, now=now)
        for at, kind in timers:
            self._domains.later(at, kind, found.target, found.uuid)

    def _copy_disks(self, found: Migration, source: Domain, moved: DomainSpec) -> None:
        copied = _decode_targets(found.copied)
        before = {disk.target: disk.path for disk in (source.spec.disks if source.spec else ())}
        for disk in writable(moved):
            if disk.target in copied and disk.target in before:
                old = before[disk.target]
                self._db.run(
                    "UPDATE files SET (size, generation, content) ="
                    " (SELECT size, generation, content FROM files WHERE scope=?1 AND path=?2)"
                    " WHERE scope=?3 AND path=?4 AND EXISTS (SELECT 1 FROM files WHERE scope=?1 AND path=?2)",
                    place(found.source, old).scope, old, place(found.target, disk.path).scope, disk.path,
                )  # fmt: skip

    def _spec(self, migration_id: int) -> DomainSpec:
        row = self._db.one("SELECT spec FROM migrations WHERE id=?", migration_id)
        if row is None:
            raise NotFoundError(f"the world has no migration {migration_id}")
        return _decode_spec(row[0])

    def fail(self, migration_id: int, now: float, words: str = "", *, status: str = "failed") -> None:
        """It ends badly: nothing is left at the target, the guest runs on at the source."""
        found = self.get(migration_id)
        if found.status != "running":
            return
        self._end(migration_id, status)
        if words:
            self._db.run("UPDATE migrations SET code='failed', words=? WHERE id=?", words, migration_id)
        target = self._domains.get(found.target, found.uuid)
        if target is not None and target.incoming:
            self._domains.off(target, "failed", now)
            self._db.event(found.target, found.uuid, "stopped", "failed")

    def abort(self, source: str, uuid: str, now: float) -> None:
        """End an outgoing migration; none under way: nothing."""
        found = self.running(uuid, source)
        if found is not None:
            self.fail(found.migration_id, now, "operation aborted: migration out job: canceled by client", status="aborted")

    def stopped(self, host: str, uuid: str, now: float) -> None:
        """A domain ends: so does a migration that it takes part in."""
        for (migration_id,) in self._db.all(
            "SELECT id FROM migrations WHERE uuid=? AND status='running' AND (source=? OR target=?)", uuid, host, host
        ):
            self.fail(migration_id, now, f"the domain ended on host {host}")

    def host_lost(self, host: str, now: float) -> None:
        """A host or its libvirtd is gone: what it sent or received fails."""
        for (migration_id,) in self._db.all(
            "SELECT id FROM migrations WHERE status='running' AND (source=? OR target=?)", host, host
        ):
            self.fail(migration_id, now, f"lost connection to host {host}")

    def _end(self, migration_id: int, status: str) -> None:
        self._db.run("UPDATE migrations SET status=? WHERE id=?", status, migration_id)
        self._db.run("DELETE FROM timers WHERE ref=? AND kind IN ('migration', 'migration_fails')", migration_id)


def _to_follow(under_way: Migration, target: str) -> int:
    """The id of the one that is under way, if it goes where it should."""
    if under_way.target != target:
        raise ConflictError(
            f"domain {under_way.uuid} cannot be migrated from host {under_way.source} to host {target}",
            cause=f"its migration to host {under_way.target} is under way",
            hint=f"nebula host show {under_way.source}",
        )
    return under_way.migration_id


def _at_target(
    spec: DomainSpec, paths: dict[str, str], booted: tuple[str, str], pins: tuple[str, ...], host_nodes: tuple[int, ...]
) -> DomainSpec:
    """The domain as the target is told of it."""
    disks = tuple(msgspec.structs.replace(disk, path=paths.get(disk.target, disk.path)) for disk in spec.disks)
    nodes = host_nodes if len(host_nodes) == len(spec.cells) else tuple(cell.host_node for cell in spec.cells)
    cells = tuple(msgspec.structs.replace(cell, host_node=node) for cell, node in zip(spec.cells, nodes, strict=True))
    kernel, initrd = booted[0] or spec.kernel, booted[1] or spec.initrd
    return msgspec.structs.replace(spec, disks=disks, cells=cells, pins=pins or spec.pins, kernel=kernel, initrd=initrd)


def _require_absence(target: str, at_target: Domain | None) -> None:
    if at_target is not None and at_target.active:
        raise ConflictError(
            f"domain {at_target.name} is on host {target} already",
            cause=f"it is {at_target.state} there ({at_target.reason})",
            hint=f"nebula host show {target}",
        )

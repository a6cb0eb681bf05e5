"""Disks of simulated guests that are copied to another place, where the guests go on. Every method runs inside a
transaction.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from nebula.drivers.base import DiskCopyRequest
from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.places import place
from nebula.drivers.sim.records import Domain, encode, part_done
from nebula.drivers.sim.storage import File, Storage
from nebula.errors import ConflictError, NotFoundError
from nebula.model.domain import DomainDisk


class Mirror(NamedTuple):
    """A row of `mirrors`: a copy that is under way, or whole and kept so."""

    path: str
    started: float
    duration: float
    total: int

    def done(self, now: float) -> int:
        """Bytes that were copied."""
        return part_done(self.started, self.duration, self.total, now)

    def ready(self, now: float) -> bool:
        """Whether both places hold the same."""
        return now >= self.started + self.duration


class Mirrors:
    """What QEMU does with two places of a disk. A guest that ends forgets its copies (`Disks.close`)."""

    def __init__(self, db: Database, domains: Domains, storage: Storage) -> None:
        self._db, self._domains, self._storage = db, domains, storage

    def uses(self, host: str, uuid: str, target: str, path: str) -> bool:
        """See Hypervisor.uses_disk."""
        found = self._domains.get(host, uuid)
        disk = None if found is None else _disk(found, target)
        return disk is not None and disk.path == path

    def begin(self, host: str, request: DiskCopyRequest, now: float) -> Mirror | None:
        """The copy, begun or found; None where the guest is there already. What was remembered for backups is forgotten."""
        found = self._running(host, request)
        disk = _require(found, request)
        if disk.path == request.path:
            return None
        known = self.get(host, request)
        if known is not None:
            return known
        source, copy = self._storage.get(host, disk.path), self._storage.get(host, request.path)
        if place(host, request.path).datastore is not None and copy is None:
            raise NotFoundError(f"host {host} has no file {request.path}", cause="No such file or directory")
        if source is not None and copy is not None and source.virtual_size != copy.virtual_size:
            raise ConflictError(
                f"disk {request.target} of domain {found.name} cannot be copied to {request.path}",
                cause="Source and target image have different sizes",
            )
        row = self._db.one("SELECT value FROM settings WHERE key='mirror_seconds'")
        size, seconds = (source.virtual_size if source is not None else 0), float(row[0]) if row else 0.0
        self._db.run("DELETE FROM checkpoints WHERE host=? AND uuid=?", host, request.uuid)
        self._db.run(
            "INSERT INTO mirrors VALUES (?,?,?,?,?,?,?)", host, request.uuid, request.target, request.path, now, seconds, size
        )
        scope = place(host, request.path).scope
        self._db.run("INSERT OR IGNORE INTO writers VALUES (?,?,?,?)", scope, request.path, host, request.uuid)
        return self.get(host, request)

    def get(self, host: str, request: DiskCopyRequest) -> Mirror | None:
        """The copy of that disk; ConflictError if it goes to another place."""
        row = self._db.one(
            "SELECT path, started, duration, total FROM mirrors WHERE host=? AND uuid=? AND target=?",
            host, request.uuid, request.target,
        )  # fmt: skip
        if row is not None and row[0] != request.path:
            raise ConflictError(f"disk {request.target} of {request.uuid} is being copied to another place", cause=str(row[0]))
        return None if row is None else Mirror._make(row)

    def take(self, host: str, request: DiskCopyRequest, now: float) -> None:
        """See Hypervisor.take_copy."""
        found = self._domains.require(host, request.uuid, active=False)
        disk = _require(found, request)
        if disk.path == request.path:
            return
        known = self.get(host, request)
        if not found.active or known is None or not known.ready(now):
            raise ConflictError(f"disk {request.target} of domain {found.name} on host {host} has no whole copy")
        source, copy = self._storage.get(host, disk.path), self._storage.get(host, request.path)
        if source is not None and copy is not None:
            self._storage.put(_with_content(copy, source))
        self._name(found, host, request)
        self._db.run("DELETE FROM mirrors WHERE host=? AND uuid=? AND target=?", host, request.uuid, request.target)
        self._release(host, request.uuid, disk.path)

    def drop(self, host: str, uuid: str, target: str) -> None:
        """See Hypervisor.drop_copy."""
        row = self._db.one("SELECT path FROM mirrors WHERE host=? AND uuid=? AND target=?", host, uuid, target)
        if row is not None:
            self._db.run("DELETE FROM mirrors WHERE host=? AND uuid=? AND target=?", host, uuid, target)
            self._release(host, uuid, str(row[0]))

    def name(self, host: str, request: DiskCopyRequest) -> None:
        """See Hypervisor.name_disk."""
        found = self._domains.get(host, request.uuid)
        if found is None:
            return
        if found.active:
            raise ConflictError(f"domain {found.name} on host {host} runs: its disk is where it is")
        _require(found, request)
        self._name(found, host, request)

    def _name(self, found: Domain, host: str, request: DiskCopyRequest) -> None:
        if found.spec is None:
            return
        form = "qcow2" if request.format == "qcow2" else "raw"
        disks = tuple(
            msgspec.structs.replace(disk, path=request.path, format=form) if disk.target == request.target else disk
            for disk in found.spec.disks
        )
        spec = msgspec.structs.replace(found.spec, disks=disks)
        self._db.run("UPDATE domains SET spec=? WHERE host=? AND uuid=?", encode(spec), host, request.uuid)

    def _release(self, host: str, uuid: str, path: str) -> None:
        scope = place(host, path).scope
        self._db.run("DELETE FROM writers WHERE scope=? AND path=? AND host=? AND uuid=?", scope, path, host, uuid)

    def _running(self, host: str, request: DiskCopyRequest) -> Domain:
        found = self._domains.require(host, request.uuid, active=False)
        if not found.active:
            raise ConflictError(f"domain {found.name} on host {host} is off: nothing of it is copied")
        return found


def _with_content(copy: File, source: File) -> File:
    return copy._replace(
        content=source.content, generation=source.generation, size=max(copy.size, source.size), head=source.head
    )


def _disk(found: Domain, target: str) -> DomainDisk | None:
    return next((disk for disk in found.spec.disks if disk.target == target), None) if found.spec is not None else None


def _require(found: Domain, request: DiskCopyRequest) -> DomainDisk:
    disk = _disk(found, request.target)
    if disk is None:
        raise ConflictError(f"domain {found.name} has no disk {request.target}")
    return disk

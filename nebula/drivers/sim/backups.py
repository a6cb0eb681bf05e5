"""Backups of simulated domains: their files as they are at one moment, checkpoints, file systems at rest. Every method runs
inside a transaction.
"""

from __future__ import annotations

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import EMPTY_FILE, File, Storage
from nebula.errors import ConflictError, NotFoundError
from nebula.model.backup import BackupRequest


class Backups:
    """What hosts remember of backups."""

    def __init__(self, db: Database, domains: Domains, storage: Storage) -> None:
        self._db, self._domains, self._storage = db, domains, storage

    def freeze(self, host: str, uuid: str) -> bool:
        """Whether the guest's agent brought the file systems to rest."""
        found = self._domains.require(host, uuid)
        if found.spec is None or not found.spec.guest_agent:
            return False
        self._db.run("INSERT OR IGNORE INTO frozen VALUES (?,?)", host, uuid)
        return True

    def thaw(self, host: str, uuid: str) -> None:
        """They go on."""
        self._db.run("DELETE FROM frozen WHERE host=? AND uuid=?", host, uuid)

    def begin(self, host: str, request: BackupRequest, now: float) -> bool:
        """See Hypervisor.begin_backup; False if it was begun before."""
        found = self._domains.require(host, request.uuid, active=False)
        if not found.active:
            raise ConflictError(f"domain {found.name} on host {host} is off: nothing of it is copied")
        if self.under_way(host, request.uuid, now) or self._known(host, request.uuid, request.checkpoint):
            return False
        if request.since and not self._known(host, request.uuid, request.since):
            raise NotFoundError(f"domain {found.name} on host {host} has no checkpoint {request.since}")
        wanted = dict(request.targets)
        for disk in found.spec.disks if found.spec else ():
            if disk.target in wanted:
                self._copy(host, disk.path, wanted[disk.target], increment=bool(request.since))
        row = self._db.one("SELECT value FROM settings WHERE key='backup_seconds'")
        ends = now + (float(row[0]) if row else 0.0)
        self._db.run("INSERT OR REPLACE INTO backups VALUES (?,?,?,?)", host, request.uuid, request.checkpoint, ends)
        if request.checkpoint:
            self._db.run("INSERT INTO checkpoints VALUES (?,?,?)", host, request.uuid, request.checkpoint)
        return True

    def _copy(self, host: str, path: str, target: str, *, increment: bool) -> None:
        source = self._storage.get(host, path)
        if source is None:
            raise NotFoundError(f"host {host} has no file {path}", cause="No such file or directory")
        size = EMPTY_FILE if increment else max(EMPTY_FILE, source.virtual_size)
        scope, datastore = place(host, target)
        self._storage.put(source._replace(scope=scope, path=target, kind="scratch", datastore=datastore, size=size, backing=""))

    def under_way(self, host: str, uuid: str, now: float) -> bool:
        """Whether files are being copied."""
        return self._db.one("SELECT 1 FROM backups WHERE host=? AND uuid=? AND ends>?", host, uuid, now) is not None

    def whole(self, host: str, uuid: str) -> bool:
        """Whether they were copied, if nothing is under way."""
        found = self._domains.get(host, uuid)
        begun = self._db.one("SELECT 1 FROM backups WHERE host=? AND uuid=?", host, uuid)
        return bool(found is not None and found.active) and begun is not None

    def end(self, host: str, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.end_backup."""
        self.thaw(host, uuid)
        self._db.run("DELETE FROM backups WHERE host=? AND uuid=?", host, uuid)
        self.forget(host, uuid, checkpoint)

    def forget(self, host: str, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.forget_checkpoint."""
        self._db.run("DELETE FROM checkpoints WHERE host=? AND uuid=? AND name=?", host, uuid, checkpoint)

    def _known(self, host: str, uuid: str, checkpoint: str) -> bool:
        sql = "SELECT 1 FROM checkpoints WHERE host=? AND uuid=? AND name=?"
        return bool(checkpoint) and self._db.one(sql, host, uuid, checkpoint) is not None


def scratch_file(host: str, path: str, like: File) -> File:
    """A file of that content among what is needed for a while."""
    scope, datastore = place(host, path)
    return like._replace(scope=scope, path=path, kind="scratch", datastore=datastore, backing="")

"""Bulk copies between simulated hosts: like the real commands they outlive the engine that began them."""

from __future__ import annotations

from typing import NamedTuple

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.faults import Faults
from nebula.drivers.sim.holes import unpacked
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import File, Storage

_COLUMNS = (
    "id, scope, path, host, source_scope, source_path, job, vm_id, started, duration, total, status, code, words, content,"
    " virtual_size"
)


class Copy(NamedTuple):
    """A row of `copies`. `status`: running, done, failed; `host` runs the command and writes the file.

    `content`: empty for a copy of the source's content; else the copy becomes a disk of that content and virtual size.
    """

    copy_id: int
    scope: str
    path: str
    host: str
    source_scope: str
    source_path: str
    job: str
    vm_id: int | None
    started: float
    duration: float
    total: int
    status: str
    code: str
    words: str
    content: str
    virtual_size: int


_BY_PATH = f"SELECT {_COLUMNS} FROM copies WHERE scope=? AND path=?"  # noqa: S608
_BY_ID = f"SELECT {_COLUMNS} FROM copies WHERE id=?"  # noqa: S608


class Copies:
    """All copies, one a target path (that is its lock). Every method runs inside a transaction."""

    def __init__(self, db: Database, storage: Storage, faults: Faults) -> None:
        self._db, self._storage, self._faults = db, storage, faults

    def get(self, copy_id: int) -> Copy | None:
        """A copy, ended or not."""
        row = self._db.one(_BY_ID, copy_id)
        return None if row is None else Copy._make(row)

    def begin(
        self,
        host: str,
        path: str,
        source: File,
        job: str,
        vm_id: int | None,
        now: float,
        *,
        content: str = "",
        virtual_size: int = 0,
    ) -> int:
        """Start to copy the file to `path` on `host`, or find the copy that is under way; its id."""
        scope, datastore = place(host, path)
        row = self._db.one(_BY_PATH, scope, path)
        if row is not None:
            found = Copy._make(row)
            if found.status == "running":
                return found.copy_id
            self._db.run("DELETE FROM copies WHERE id=?", found.copy_id)
        part = File(scope, f"{path}.part", "part", datastore, source.size, source.format, source.virtual_size, vm_id=vm_id)
        self._storage.put(part)
        duration = self._duration(source.size)
        copy_id = self._db.insert(
            "INSERT INTO copies(scope, path, host, source_scope, source_path, job, vm_id, started, duration, total, status,"
            " code, words, content, virtual_size) VALUES (?,?,?,?,?,?,?,?,?,?,'running','','',?,?)",
            scope, path, host, source.scope, source.path, job, vm_id, now, duration, source.size, content,
            virtual_size,
        )  # fmt: skip
        self._schedule(copy_id, host, job, now, duration)
        return copy_id

    def _schedule(self, copy_id: int, host: str, job: str, now: float, duration: float) -> None:
        fault = self._faults.strike(host, "datastore.copy.halfway", job)
        if fault is not None:
            self._db.run("UPDATE copies SET code=?, words=? WHERE id=?", fault.code, fault.words, copy_id)
        if duration > 0:
            after = duration if fault is None else duration / 2
            self._db.run("INSERT INTO timers(at, kind, host, uuid, ref) VALUES (?,'copy',?,'',?)", now + after, host, copy_id)
        else:
            self.settle(copy_id)

    def _duration(self, size: int) -> float:
        row = self._db.one("SELECT value FROM settings WHERE key='copy_bytes_per_second'")
        return size / row[0] if row and row[0] else 0.0

    def settle(self, copy_id: int) -> None:
        """Its time has come: the part becomes the file, or the ordered failure strikes and leaves the part."""
        found = self.get(copy_id)
        if found is None or found.status != "running":
            return
        source = self._db.one("SELECT generation, content, format, virtual_size, size, kind, head, backing FROM files"
                              " WHERE scope=? AND path=?", found.source_scope, found.source_path)  # fmt: skip
        if found.code or source is None:
            self._fail(found, found.code or "command", found.words or f"{found.source_path}: No such file or directory")
            return
        generation, content, form, virtual, size, kind, head, backing = source
        if found.content:
            generation, content, virtual, kind = 0, found.content, max(virtual, found.virtual_size), "disk"
        self._storage.remove(found.host, f"{found.path}.part")
        datastore = place(found.host, found.path).datastore
        self._storage.put(
            File(
                found.scope, found.path, kind, datastore, size, form, virtual,
                vm_id=found.vm_id, content=content, generation=generation, head=unpacked(head), backing=backing,
            )
        )  # fmt: skip
        self._db.run("UPDATE copies SET status='done' WHERE id=?", copy_id)

    def _fail(self, found: Copy, code: str, words: str) -> None:
        self._db.run("UPDATE copies SET status='failed', code=?, words=? WHERE id=?", code, words, found.copy_id)

    def abandon(self, host: str, job: str) -> None:
        """End the copies on the host whose job begins so; see Datastore.abandon."""
        names = "job=? OR substr(job, 1, length(?) + 1) = ? || '-'"
        for (copy_id,) in self._db.all(f"SELECT id FROM copies WHERE host=? AND ({names})", host, job, job, job):  # noqa: S608
            self.abort(copy_id)

    def abort(self, copy_id: int) -> None:
        """End it: no part is left."""
        found = self.get(copy_id)
        if found is None or found.status != "running":
            return
        self._storage.remove(found.host, f"{found.path}.part")
        self._db.run("DELETE FROM copies WHERE id=?", copy_id)
        self._db.run("DELETE FROM timers WHERE kind='copy' AND ref=?", copy_id)

"""Files of the simulated hosts: space, images, disks, and copies under way."""

from __future__ import annotations

from typing import NamedTuple

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.holes import packed, unpacked
from nebula.drivers.sim.places import SHARED, place
from nebula.errors import CapacityError
from nebula.model.storage import DatastoreUsage

GIB = 1 << 30
EMPTY_FILE = 196_616
"""Bytes that a fresh qcow2 file takes."""
FILE_COLUMNS = "scope, path, kind, datastore, size, format, virtual_size, mode, vm_id, content, generation, backing, head"


class File(NamedTuple):
    """A file. `content` names whose data it is, `generation` how often a guest wrote it; `backing` is a path."""

    scope: str
    path: str
    kind: str
    datastore: int | None
    size: int
    format: str
    virtual_size: int
    mode: int = 0o600
    vm_id: int | None = None
    content: str = ""
    generation: int = 0
    backing: str = ""
    head: bytes = b""


_ONE = f"SELECT {FILE_COLUMNS} FROM files WHERE scope=? AND path=?"  # noqa: S608
_PUT = (
    f"INSERT INTO files({FILE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"  # noqa: S608
    " kind=excluded.kind, size=excluded.size, format=excluded.format, virtual_size=excluded.virtual_size, mode=excluded.mode,"
    " vm_id=excluded.vm_id, content=excluded.content, generation=excluded.generation,"
    " backing=excluded.backing, head=excluded.head"
)


_ROOM = (
    "SELECT total - used, coalesce((SELECT size FROM files WHERE scope=? AND path=?), 0) FROM space"
    " WHERE scope=? AND datastore=?"
)


class Storage:
    """All files of all hosts. Every method runs inside a transaction, or is one statement."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, host: str, path: str) -> File | None:
        """A file as the host sees it."""
        row = self._db.one(_ONE, place(host, path).scope, path)
        return None if row is None else File._make((*row[:-1], unpacked(row[-1])))

    def put(self, file: File) -> None:
        """Write the file; CapacityError if its datastore has no room for it."""
        if file.datastore is not None:
            self._reserve(file)
        self._db.run(_PUT, *file[:-1], packed(file.head))

    def _reserve(self, file: File) -> None:
        asked = (file.scope, file.path, file.scope, file.datastore)
        row = self._db.one(_ROOM, *asked)
        if row is None:
            free, needed = self.usage(file.scope, file.datastore or 0).free, file.size
        else:
            free, needed = max(0, int(row[0])), file.size - int(row[1])
        if needed > free:
            raise CapacityError(
                f"datastore {file.datastore} on host {file.scope or 'all hosts'} is full",
                cause=f"No space left on device: {needed} bytes needed, {free} free",
                hint=f"nebula datastore show {file.datastore}",
            )

    def usage(self, scope: str, datastore: int) -> DatastoreUsage:
        """Space of a datastore."""
        row = self._db.one("SELECT total, used FROM space WHERE scope=? AND datastore=?", scope, datastore)
        if row is None:
            with self._db.write():
                self._db.run(
                    "INSERT OR IGNORE INTO space SELECT ?, ?, value, 0 FROM settings WHERE key='datastore_bytes'",
                    scope,
                    datastore,
                )
            return self.usage(scope, datastore)
        total, used = int(row[0]), int(row[1])
        return DatastoreUsage(total=total, used=used, free=max(0, total - used))

    def set_capacity(self, host: str, datastore: int, total: int, *, shared: bool = False) -> None:
        """The datastore's size on a host, bytes (its files keep what they have)."""
        scope = SHARED if shared else host
        with self._db.write():
            self.usage(scope, datastore)
            self._db.run("UPDATE space SET total=? WHERE scope=? AND datastore=?", total, scope, datastore)

    def fill(self, host: str, datastore: int, *, free: int = 0, shared: bool = False) -> None:
        """Somebody else's data leaves only `free` bytes."""
        scope = SHARED if shared else host
        with self._db.write():
            used = self.usage(scope, datastore).used
            self.set_capacity(host, datastore, used + free, shared=shared)

    def remove(self, host: str, path: str) -> None:
        """Delete a file; not there: nothing."""
        self._db.run("DELETE FROM files WHERE scope=? AND path=?", place(host, path).scope, path)

    def upload(self, host: str, path: str, size: int, head: bytes, *, mode: int = 0o600) -> None:
        """A file that came from outside; `head` is its first bytes (all of them for a small one)."""
        scope, datastore = place(host, path)
        kind = "staged" if datastore is not None else "file"
        with self._db.write():
            self.put(File(scope, path, kind, datastore, size, "", 0, mode=mode, head=head))

    def add_part(self, host: str, path: str, size: int = GIB, vm_id: int | None = None) -> None:
        """A part of a copy that somebody left behind."""
        scope, datastore = place(host, path)
        with self._db.write():
            self.put(File(scope, path, "part", datastore, size, "raw", size, vm_id=vm_id))

"""Who writes to which disk, and whether what it reads is what was written last."""

from __future__ import annotations

from collections.abc import Iterable

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.places import place
from nebula.errors import NotFoundError
from nebula.model.domain import DomainDisk, DomainSpec

_WITH_BACKING = (
    "SELECT f.backing, f.kind, b.path FROM files f LEFT JOIN files b ON b.scope = f.scope AND b.path = f.backing"
    " WHERE f.scope=? AND f.path=?"
)


def writable(spec: DomainSpec) -> Iterable[DomainDisk]:
    """The disks to which the guest alone writes."""
    return (disk for disk in spec.disks if disk.device == "disk" and not disk.readonly and not disk.shareable)


class Disks:
    """The guests' use of their disks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def check_there(self, host: str, spec: DomainSpec) -> None:
        """NotFoundError if a disk, or what is booted, lies in a datastore and is not on the host."""
        for path in (*(disk.path for disk in spec.disks), spec.kernel, spec.initrd):
            scope, datastore = place(host, path)
            if datastore is None:
                continue
            row = self._db.one(_WITH_BACKING, scope, path)
            if row is None or row[1] == "part":
                raise _missing(host, spec, path)
            if row[0] and row[2] is None:
                raise _missing(host, spec, row[0])

    def open(self, host: str, spec: DomainSpec, now: float, *, writes: bool = True) -> None:
        """A guest has its disks, and starts to write: a second writer and a stale disk are recorded as violations."""
        for disk in writable(spec):
            scope = place(host, disk.path).scope
            for other_host, other in self._db.all("SELECT host, uuid FROM writers WHERE scope=? AND path=?", scope, disk.path):
                if (other_host, other) != (host, spec.uuid):
                    self._db.violation(
                        now, "two_writers", f"{disk.path}: {other} on {other_host} and {spec.uuid} on {host} write to it"
                    )
            self._db.run("INSERT OR IGNORE INTO writers VALUES (?,?,?,?)", scope, disk.path, host, spec.uuid)
            if writes:
                self._written(host, scope, disk.path, now)

    def generations(self, host: str, spec: DomainSpec) -> dict[str, int]:
        """How often each of the guest's disks was written, by whose data it is."""
        found: dict[str, int] = {}
        for disk in writable(spec):
            scope = place(host, disk.path).scope
            row = self._db.one("SELECT content, generation FROM files WHERE scope=? AND path=?", scope, disk.path)
            if row is not None:
                found[str(row[0])] = int(row[1])
        return found

    def _written(self, host: str, scope: str, path: str, now: float) -> None:
        row = self._db.one(
            "SELECT f.content, f.generation, coalesce(w.generation, 0) FROM files f"
            " LEFT JOIN written w ON w.content = f.content WHERE f.scope=? AND f.path=?",
            scope, path,
        )  # fmt: skip
        if row is None:
            return
        content, generation, newest = row
        if generation < newest:
            self._db.violation(now, "stale_disk", f"{path} on {host} is older than what its guest wrote last ({content})")
        self._db.run("UPDATE files SET generation=? WHERE scope=? AND path=?", newest + 1, scope, path)
        self._db.run(
            "INSERT INTO written VALUES (?,?) ON CONFLICT DO UPDATE SET generation=excluded.generation", content, newest + 1
        )

    def close(self, host: str, uuid: str) -> None:
        """The guest does not write any more, and what it had copied is nobody's concern."""
        self._db.run("DELETE FROM mirrors WHERE host=? AND uuid=?", host, uuid)
        self._db.run("DELETE FROM writers WHERE host=? AND uuid=?", host, uuid)

    def writer_of(self, scope: str, path: str) -> str:
        """The UUID of a guest that writes to the file, or empty."""
        row = self._db.one("SELECT uuid FROM writers WHERE scope=? AND path=?", scope, path)
        return str(row[0]) if row else ""


def _missing(host: str, spec: DomainSpec, path: str) -> NotFoundError:
    return NotFoundError(
        f"domain {spec.name} cannot start on host {host}",
        cause=f"Cannot access storage file '{path}': No such file or directory",
        hint=f"nebula vm show {spec.vm_id}",
    )

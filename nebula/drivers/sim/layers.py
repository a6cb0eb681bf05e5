"""What simulated hypervisors do with layers of disks and with snapshots of domains. Every method runs inside a transaction."""

from __future__ import annotations

import msgspec

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.disks import Disks
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.places import place
from nebula.drivers.sim.records import encode
from nebula.errors import ConflictError, NotFoundError


class Layers:
    """Which file a guest writes to, and what lies under it; and names of what was kept of whole domains."""

    def __init__(self, db: Database, domains: Domains, disks: Disks) -> None:
        self._db, self._domains, self._disks = db, domains, disks

    def source(self, host: str, uuid: str, target: str) -> str:
        """See Hypervisor.disk_source."""
        found = self._domains.get(host, uuid)
        if found is None or found.spec is None:
            return ""
        return next((disk.path for disk in found.spec.disks if disk.target == target), "")

    def switch(self, host: str, uuid: str, target: str, path: str, now: float) -> None:
        """See Hypervisor.switch_disk."""
        found = self._domains.require(host, uuid, active=False)
        before = self.source(host, uuid, target)
        if before == path:
            return
        if found.spec is None or not before:
            raise ConflictError(f"domain {found.name} on host {host} has no disk {target}")
        disks = tuple(msgspec.structs.replace(disk, path=path) if disk.target == target else disk for disk in found.spec.disks)
        spec = msgspec.structs.replace(found.spec, disks=disks)
        if found.active:
            self._disks.check_there(host, spec)
            self._disks.close(host, uuid)
            self._disks.open(host, spec, now)
        self._db.run("UPDATE domains SET spec=? WHERE host=? AND uuid=?", encode(spec), host, uuid)

    def pull(self, host: str, uuid: str, target: str, base: str) -> None:
        """See Hypervisor.pull_disk; it takes no time."""
        found = self._domains.require(host, uuid, active=False)
        if not found.active:
            raise ConflictError(f"domain {found.name} on host {host} is off: its layers are not merged by QEMU")
        path = self.source(host, uuid, target)
        self._db.run("UPDATE files SET backing=? WHERE scope=? AND path=?", base, place(host, path).scope, path)

    def keep(self, host: str, uuid: str, name: str) -> None:
        """See Hypervisor.snapshot."""
        found = self._domains.require(host, uuid, active=False)
        if not found.active and not self._kept(host, uuid, name):
            raise ConflictError(f"domain {found.name} on host {host} is off: it has no memory that could be kept")
        self._db.run("INSERT OR IGNORE INTO snapshots VALUES (?,?,?)", host, uuid, name)

    def revert(self, host: str, uuid: str, name: str) -> None:
        """See Hypervisor.revert; what the guest wrote is not simulated."""
        found = self._domains.require(host, uuid, active=False)
        if not self._kept(host, uuid, name):
            raise NotFoundError(f"domain {found.name} on host {host} has no snapshot {name}")
        self._domains.require(host, uuid)

    def forget(self, host: str, uuid: str, name: str) -> None:
        """See Hypervisor.delete_snapshot."""
        self._db.run("DELETE FROM snapshots WHERE host=? AND uuid=? AND name=?", host, uuid, name)

    def _kept(self, host: str, uuid: str, name: str) -> bool:
        return self._db.one("SELECT 1 FROM snapshots WHERE host=? AND uuid=? AND name=?", host, uuid, name) is not None

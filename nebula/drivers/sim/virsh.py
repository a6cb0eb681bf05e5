"""Things done behind the engine's back, by somebody with virsh on the host."""

from __future__ import annotations

from uuid import NAMESPACE_DNS, uuid5

import msgspec

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.gate import Gate
from nebula.drivers.sim.load import seed_of
from nebula.drivers.sim.migrations import Migrations
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import File, Storage
from nebula.errors import NotFoundError, UsageError
from nebula.model.domain import DomainDisk, DomainInterface, DomainSpec

VERBS = ("destroy", "migrate", "resume", "shutdown", "start", "suspend", "undefine")


class Virsh:
    """Acts on hosts past the gate: no latency, no fault, no permission."""

    def __init__(self, db: Database, gate: Gate, domains: Domains, migrations: Migrations, storage: Storage) -> None:
        self._db, self._gate, self._domains, self._migrations, self._storage = db, gate, domains, migrations, storage

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
                self._domains.start_defined(host, uuid, now)
            elif verb == "suspend":
                self._domains.pause(host, uuid, "user", now)
            else:
                self._domains.undefine(host, uuid)

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

    def add_foreign(
        self, host: str, name: str, *, running: bool = True, vcpus: int = 1, memory_mib: int = 1024, disk: str = ""
    ) -> str:
        """A domain that somebody else made, with a disk and a card of its own; its UUID. There already: nothing."""
        uuid = str(uuid5(NAMESPACE_DNS, f"{host}/{name}"))
        now = self._gate.now()
        path = disk or f"/var/lib/libvirt/images/{name}.qcow2"
        mac = f"52:54:00:{seed_of(uuid) % 256:02x}:00:01"
        spec = DomainSpec(
            vm_id=-1, uuid=uuid, name=name, title="", memory_mib=memory_mib, vcpus=vcpus, cpu_share=100 * vcpus,
            disks=(DomainDisk(disk_id=0, path=path, target="vda"),),
            interfaces=(DomainInterface(nic_id=0, mac=mac, bridge="virbr0", tap=f"v{uuid[:8]}"),),
        )  # fmt: skip
        with self._db.write():
            if self._domains.get(host, uuid) is None:
                self._db.run("INSERT OR IGNORE INTO bridges VALUES (?,'virbr0',0)", host)
                where = place(host, path)
                self._storage.put(File(where.scope, path, "foreign", where.datastore, 1 << 30, "qcow2", 8 << 30))
                self._domains.define(host, spec, now)
                if running:
                    self._domains.start(host, spec, now)
                self._db.run("UPDATE domains SET profile='steady' WHERE host=? AND uuid=?", host, uuid)
        return uuid

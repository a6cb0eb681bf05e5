"""Guests' memory in files: what a simulated domain was saved with, and whether it fits the disks that it is restored to."""

from __future__ import annotations

from nebula import typed
from nebula.drivers.sim.database import Database
from nebula.drivers.sim.disks import Disks
from nebula.drivers.sim.domains import Domains, kept_memory
from nebula.drivers.sim.places import place
from nebula.drivers.sim.records import Domain, encode
from nebula.drivers.sim.storage import File, Storage
from nebula.errors import ConflictError
from nebula.model.domain import DomainSpec

MIB = 1 << 20
_decode = typed.decoder(dict[str, int])


class Memories:
    """Memory that hosts keep for their domains (path ""), and memory in files of datastores. Every method runs inside a
    transaction.
    """

    def __init__(self, db: Database, domains: Domains, disks: Disks, storage: Storage) -> None:
        self._db, self._domains, self._disks, self._storage = db, domains, disks, storage

    def save(self, host: str, uuid: str, path: str, now: float) -> None:
        """See Hypervisor.save."""
        found = self._domains.require(host, uuid, active=False)
        spec, kept = found.spec, kept_memory(found.name)
        if spec is None:
            raise ConflictError(f"domain {found.name} on host {host} is not ours", cause="nothing is known of its disks")
        if found.active:
            self._put(host, spec, path or kept, self._disks.generations(host, spec))
            self._domains.stop(host, uuid, "saved", now)
        elif path and (memory := self._storage.get(host, kept)) is not None:
            self._put(host, spec, path, _decode(memory.head))
        elif self._storage.get(host, path or kept) is None:
            raise ConflictError(f"domain {found.name} on host {host} has no memory that could be saved", cause="it is off")
        if path:
            self._storage.remove(host, kept)

    def _put(self, host: str, spec: DomainSpec, path: str, generations: dict[str, int]) -> None:
        scope, datastore = place(host, path)
        content = f"memory:{spec.uuid}"
        self._db.run(
            "INSERT INTO written VALUES (?,1) ON CONFLICT DO UPDATE SET generation=written.generation+1", content
        )  # fmt: skip
        row = self._db.one("SELECT generation FROM written WHERE content=?", content)
        size = spec.memory_mib * MIB
        self._storage.put(
            File(
                scope, path, "memory", datastore, size, "raw", size, vm_id=spec.vm_id, content=content,
                generation=int(row[0]) if row else 1, head=encode(generations),
            )
        )  # fmt: skip

    def start(self, host: str, spec: DomainSpec, now: float) -> None:
        """See Hypervisor.start: a domain whose memory the host kept goes on from it."""
        found = self._domains.get(host, spec.uuid)
        if found is not None and found.saved:
            self.restore(host, spec, "", paused=False, now=now)
        else:
            self._domains.start_anew(host, spec, found, now)

    def restore(self, host: str, spec: DomainSpec, path: str, *, paused: bool, now: float) -> None:
        """See Hypervisor.restore. Disks that were written to since the memory was saved are recorded as a violation."""
        found = self._domains.get(host, spec.uuid)
        if found is not None and found.active:
            return
        memory = self._storage.get(host, path or kept_memory(spec.name))
        if memory is None:
            raise ConflictError(f"domain {spec.name} on host {host} has no memory to go on from", cause="there is no such file")
        here = self._spec(found, spec, path)
        if _decode(memory.head) != self._disks.generations(host, here):
            self._db.violation(now, "stale_memory", f"{spec.name} on {host} went on from a memory older than its disks")
        self._domains.go_on(host, here, paused=paused, now=now)
        if not path:
            self._storage.remove(host, kept_memory(spec.name))

    def _spec(self, found: Domain | None, given: DomainSpec, path: str) -> DomainSpec:
        """What the host kept goes on as it was defined."""
        known = found.spec if found is not None and not path else None
        return known or given

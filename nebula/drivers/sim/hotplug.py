"""Devices that come and go while a simulated domain runs, and its size. Every method runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.disks import Disks
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.places import place
from nebula.drivers.sim.records import encode
from nebula.errors import ConflictError
from nebula.model.domain import DomainDisk, DomainInterface, DomainSpec

_replace = msgspec.structs.replace


class Hotplug:
    """See the methods of Hypervisor. A guest that was ordered to ignore its power button lets go of nothing either."""

    def __init__(self, db: Database, domains: Domains, disks: Disks) -> None:
        self._db, self._domains, self._disks = db, domains, disks

    def attach_disk(self, host: str, spec: DomainSpec, disk_id: int, now: float) -> None:
        """See Hypervisor.attach_disk."""
        have = self._running(host, spec.uuid)
        disk = next(disk for disk in spec.disks if disk.disk_id == disk_id)
        if any(known.target == disk.target for known in have.disks):
            return
        alone = _replace(spec, disks=(disk,))
        self._disks.check_there(host, alone)
        self._disks.open(host, alone, now)
        self._write(host, _replace(have, disks=(*have.disks, disk)))

    def detach_disk(self, host: str, uuid: str, target: str) -> bool:
        """See Hypervisor.detach_disk."""
        have = self._known(host, uuid)
        gone = [disk for disk in have.disks if disk.target == target]
        if gone and self._keeps(host, uuid):
            return False
        for disk in gone:
            scope = place(host, disk.path).scope
            self._db.run(
                "DELETE FROM writers WHERE scope=? AND path=? AND host=? AND uuid=?", scope, disk.path, host, uuid
            )  # fmt: skip
        self._write(host, _replace(have, disks=tuple(disk for disk in have.disks if disk.target != target)))
        return True

    def load_cd(self, host: str, uuid: str, target: str, path: str) -> None:
        """See Hypervisor.load_cd."""

        def loaded(disk: DomainDisk) -> DomainDisk:
            return _replace(disk, path=path) if disk.target == target and disk.device == "cdrom" else disk

        self._change(host, uuid, lambda have: _replace(have, disks=tuple(map(loaded, have.disks))))

    def attach_card(self, host: str, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.attach_card."""
        have = self._running(host, spec.uuid)
        card = next(card for card in spec.interfaces if card.nic_id == nic_id)
        if any(known.mac == card.mac for known in have.interfaces):
            return
        self._domains.plug(host, _replace(spec, interfaces=(card,)))
        self._write(host, _replace(have, interfaces=(*have.interfaces, card)))

    def detach_card(self, host: str, uuid: str, mac: str) -> bool:
        """See Hypervisor.detach_card."""
        have = self._known(host, uuid)
        gone = [card for card in have.interfaces if card.mac == mac]
        if gone and self._keeps(host, uuid):
            return False
        for card in gone:
            self._db.run("DELETE FROM taps WHERE host=? AND name=?", host, card.tap)
        self._write(host, _replace(have, interfaces=tuple(card for card in have.interfaces if card.mac != mac)))
        return True

    def update_card(self, host: str, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.update_card."""
        new = next(card for card in spec.interfaces if card.nic_id == nic_id)

        def updated(card: DomainInterface) -> DomainInterface:
            return _replace(card, inbound=new.inbound, outbound=new.outbound) if card.mac == new.mac else card

        self._change(host, spec.uuid, lambda have: _replace(have, interfaces=tuple(map(updated, have.interfaces))))

    def resize(self, host: str, uuid: str, vcpus: int, memory_mib: int, cpu_share: int) -> None:
        """See Hypervisor.resize."""
        have = self._running(host, uuid)
        for name, asked, limit in (
            ("vCPUs", vcpus, max(have.vcpus_max, have.vcpus)),
            ("MiB of memory", memory_mib, max(have.memory_max_mib, have.memory_mib)),
        ):
            if asked > limit:
                raise ConflictError(
                    f"domain {have.name} on host {host} cannot have {asked} {name} while it runs", cause=f"at most {limit}"
                )
        larger = _replace(
            have,
            vcpus=vcpus,
            memory_mib=memory_mib,
            cpu_share=cpu_share,
            vcpus_max=max(have.vcpus_max, have.vcpus),
            memory_max_mib=max(have.memory_max_mib, have.memory_mib),
        )
        self._write(host, larger)
        self._db.run("UPDATE domains SET vcpus=?, memory_mib=? WHERE host=? AND uuid=?", vcpus, memory_mib, host, uuid)

    def resize_disk(self, host: str, uuid: str, target: str, size: int) -> None:
        """See Hypervisor.resize_disk."""
        for disk in self._running(host, uuid).disks:
            if disk.target == target:
                self._db.run(
                    "UPDATE files SET virtual_size=max(virtual_size, ?) WHERE scope=? AND path=?",
                    size, place(host, disk.path).scope, disk.path,
                )  # fmt: skip

    def _running(self, host: str, uuid: str) -> DomainSpec:
        self._domains.require(host, uuid)
        return self._known(host, uuid)

    def _known(self, host: str, uuid: str) -> DomainSpec:
        found = self._domains.require(host, uuid, active=False)
        if found.spec is None:
            raise ConflictError(f"domain {found.name} on host {host} is not ours", cause="nothing is known of its devices")
        return found.spec

    def _keeps(self, host: str, uuid: str) -> bool:
        found = self._domains.require(host, uuid, active=False)
        return bool(found.active and self._domains.guest(found.spec, uuid, found.name)[3])

    def _change(self, host: str, uuid: str, change: Callable[[DomainSpec], DomainSpec]) -> None:
        self._write(host, change(self._running(host, uuid)))

    def _write(self, host: str, spec: DomainSpec) -> None:
        self._db.run("UPDATE domains SET spec=? WHERE host=? AND uuid=?", encode(spec), host, spec.uuid)

"""A new VM: its template checked and completed, images and addresses taken, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.leases import Leases
from nebula.engine.lifecycle.states import ImageState, VmState
from nebula.engine.local.base import resolve
from nebula.engine.machines.disks import plan
from nebula.engine.machines.domain import tap_name
from nebula.engine.machines.machine import Machine, Nic, body_of
from nebula.engine.machines.template import MAX_VCPUS, Template, hundredths, mebibytes, whole, yes
from nebula.engine.services import Services
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, ImageRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, UsageError

MAX_NICS = 32
DEFAULT_MEMORY_MIB = 512


class Creation:
    """One VM's creation in one transaction."""

    def __init__(self, tx: Transaction, services: Services, leases: Leases, actor: str) -> None:
        self._tx = tx
        self._services = services
        self._leases = leases
        self._actor = actor

    def create(self, template: Template, *, hold: bool) -> VmRow:
        """The stored row, with its event."""
        vcpus = whole(template, "VCPU", 1, 1, MAX_VCPUS)
        whole(template.get("GRAPHICS", {}), "PORT", -1, -1, 65535)
        hold = hold or yes(template.get("SUBMIT_ON_HOLD", ""))
        disks, images = plan(template.get("DISK", []), self._image, lambda: self._home_of_disks(template))
        vm = self._tx.insert(
            VmRow(
                name=str(template.get("NAME") or "vm"),
                uuid=self._services.new_uuid(),
                owner=self._actor,
                state=int(_first_state(images, hold=hold)),
                cpu=hundredths(template, "CPU", float(vcpus)),
                vcpus=vcpus,
                memory=mebibytes(template, "MEMORY", DEFAULT_MEMORY_MIB),
                disk=sum(disk.size or (disk.image.size if disk.image else 0) for disk in disks),
                autostart=int(yes(template.get("AUTOSTART", ""))),
                created=self._tx.now,
                since=self._tx.now,
                cluster_id=self._cluster(template),
                datastore_id=disks[0].datastore_id if disks else self._context_home(template),
            )
        )
        machine = Machine(
            template=template,
            disks=disks,
            nics=self._nics(vm, template),
            prefer_host=self._host(template),
            hold=hold,
        )
        if not template.get("NAME"):
            self._tx.swap(vm, name=f"vm-{vm.id}")
        for image in images:
            self._use(image)
        addresses = ",".join(nic.ip or nic.ip6 for nic in machine.nics if nic.ip or nic.ip6)
        self._tx.swap(vm, body=body_of(machine), ips=addresses[:255])
        self._tx.event("vm.created", "vm", vm.id, actor=self._actor, name=vm.name, state=VmState(vm.state).name)
        return vm

    def _image(self, ref: str) -> ImageRow:
        return resolve(self._tx, ImageRow, ref)

    def _use(self, image: ImageRow) -> None:
        fresh = self._tx.get(ImageRow, image.id)
        used = ImageState.USED_PERS if fresh.persistent else ImageState.USED
        state = fresh.state if fresh.state == ImageState.LOCKED else int(used)
        self._tx.swap(fresh, running_vms=fresh.running_vms + 1, state=state)

    def _home_of_disks(self, template: Template) -> int:
        """Where empty disks go: beside the VM's first image, so that they travel together; else a system datastore."""
        for item in template.get("DISK", []):
            if "IMAGE" in item or "IMAGE_ID" in item:
                return self._image(str(item.get("IMAGE_ID", item.get("IMAGE")))).datastore_id
        return self._system_datastore()

    def _system_datastore(self) -> int:
        found = self._tx.first(DatastoreRow, '"type"=\'system\' AND "state"=0 ORDER BY "id"') or self._tx.first(
            DatastoreRow, '"type"=\'image\' AND "state"=0 ORDER BY "id"'
        )
        if found is None:
            raise ConflictError(
                "there is no system datastore for empty disks", hint="nebula datastore create system --type system"
            )
        return found.id

    def _context_home(self, template: Template) -> int:
        return self._system_datastore() if template.get("CONTEXT") or template.get("NIC") else -1

    def _cluster(self, template: Template) -> int:
        named = template.get("CLUSTER") or template.get("CLUSTER_ID")
        return resolve(self._tx, ClusterRow, str(named)).id if named else -1

    def _host(self, template: Template) -> int:
        named = template.get("HOST")
        return resolve(self._tx, HostRow, str(named)).id if named else -1

    def _nics(self, vm: VmRow, template: Template) -> list[Nic]:
        asked: list[Mapping[str, Any]] = template.get("NIC", [])
        if len(asked) > MAX_NICS:
            raise UsageError(f"a VM takes at most {MAX_NICS} cards", cause=f"got {len(asked)}")
        defaults = template.get("NIC_DEFAULT") or {}
        return [self._nic(vm, number, {**defaults, **item}) for number, item in enumerate(asked)]

    def _nic(self, vm: VmRow, number: int, item: Mapping[str, Any]) -> Nic:
        ref = item.get("NETWORK_ID", item.get("NETWORK"))
        if ref is None:
            raise UsageError(f"card {number} names no NETWORK", hint="nebula network list")
        network = resolve(self._tx, NetworkRow, str(ref))
        wanted = str(item.get("IP") or item.get("MAC") or item.get("IP6") or "")
        lease = self._leases.take(self._tx, network, vm.id, number, wanted=wanted)
        return Nic(
            nic_id=number,
            network_id=network.id,
            network=network.name,
            mac=lease.mac,
            ip=lease.ip,
            ip6=lease.ip6,
            tap=tap_name(vm.id, number),
            model=str(item.get("MODEL", "virtio")),
        )


def _first_state(images: list[ImageRow], *, hold: bool) -> VmState:
    if any(image.state == ImageState.LOCKED for image in images):
        return VmState.CLONING
    return VmState.HOLD if hold else VmState.PENDING

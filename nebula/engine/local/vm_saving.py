"""Images of VMs' disks, and templates that make VMs like one that exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.api.values import Accepted, Call
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.base import free_name
from nebula.engine.local.creation import Creation
from nebula.engine.local.luns import require_making
from nebula.engine.local.vm_hardware import disk_named
from nebula.engine.local.vm_noun import VmNoun
from nebula.engine.machines import snapshots
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.machines.template import regular
from nebula.engine.store.rows import DatastoreRow, ImageRow, TemplateRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.engine.templates.restricted import require_unrestricted
from nebula.errors import ConflictError
from nebula.model.template.values import plain
from nebula.names import check_name

_OF_ONE = frozenset({"IP", "IP6", "MAC", "SIZE", "FORMAT", "DRIVER", "IMAGE", "IMAGE_ID", "IMAGE_UID", "IMAGE_UNAME"})
"""What a disk or a card of another VM does not have: it is its image's, or it is leased."""


_MADE_ANEW = frozenset({"NAME", "TEMPLATE_ID", "DISK", "NIC", "NIC_ALIAS"})
"""What a copy's template does not take over as it is."""


class SavingVerbs(VmNoun):
    """See nebula.engine.api.verbs.Vms."""

    def disk_saveas(self, ref: str, disk: str, name: str, call: Call, snapshot: str = "") -> Accepted:
        """See Vms.disk_saveas."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "disk-saveas"), disk_named(vm, disk)
            if found.kind == "cdrom":
                raise ConflictError(
                    f"disk {found.disk_id} of VM {vm.name} is a CD: it is an image already", hint=f"nebula vm show {vm.id}"
                )
            if place_of(vm) == RUNNING and not snapshot:
                raise _in_use(vm, f"nebula vm disk-snapshot-create {vm.id} {found.disk_id} NAME, then --snapshot NAME")
            layer = snapshots.snapshot_named(found, snapshot).layer if snapshot else found.layer
            return self._start(tx, vm, row, call, {"saves": [self._save(tx, vm, found, layer, name, call)]})

        return self._change(call, work)

    def save(self, ref: str, name: str, call: Call, persistent: bool = False) -> Accepted:
        """See Vms.save."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard_ours(vm, "disk-saveas")
            like, saves = self._saved(tx, vm, name, call, persistent=persistent)
            if not saves:
                raise ConflictError(
                    f"VM {vm.name} ({vm.id}) has no disk of an image that could be saved", hint=f"nebula vm show {vm.id}"
                )
            made = tx.insert(
                TemplateRow(
                    name=free_name(tx, TemplateRow, check_name("template", name)),
                    **self._belongs(call),
                    created=tx.now,
                    changed=tx.now,
                    body={"template": plain(like)},
                )
            )
            tx.event("template.created", "template", made.id, actor=call.actor, name=made.name)
            return self._start(tx, vm, row, call, {"saves": saves})

        return self._change(call, work)

    def clone(self, ref: str, name: str, call: Call, hold: bool = False) -> Accepted:
        """See Vms.clone. The new VM waits in CLONING for the images that the job of the old one makes."""
        check_name("vm", name)

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard_ours(vm, "disk-saveas")
            like, saves = self._saved(tx, vm, name, call)
            creation = Creation(tx, self._services, self._leases, call.actor, self.person)
            made = creation.create(regular({**like, "NAME": name}), hold=hold, template_id=vm.template_id)
            if saves:
                self._start(tx, vm, row, call, {"saves": saves})
            would = (f"create VM {name} like VM {vm.name} ({vm.id}), of images of {len(saves)} of its disks",)
            return Accepted(kind="vm", id=made.id, name=made.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def _saved(
        self, tx: Transaction, vm: VmRow, name: str, call: Call, *, persistent: bool = False
    ) -> tuple[dict[str, Any], list[dict[str, int]]]:
        """A template of a VM that is off, and the images of its disks, which a job fills."""
        machine = machine_of(vm)
        if place_of(vm) == RUNNING:
            raise _in_use(vm, f"nebula vm poweroff {vm.id}")
        require_unrestricted(self.person, plain(machine.template))
        saves = [
            self._save(tx, vm, disk, disk.layer, f"{name}-disk-{disk.disk_id}", call, persistent=persistent)
            for disk in machine.disks
            if disk.kind in {"clone", "persistent"}
        ]
        return like(machine, {save["disk"]: save["image"] for save in saves}), saves

    def _save(
        self, tx: Transaction, vm: VmRow, disk: Disk, layer: int, name: str, call: Call, *, persistent: bool = False
    ) -> dict[str, int]:
        """An image that the job fills."""
        require_making(self._services, tx.get(DatastoreRow, disk.datastore_id), "disks become further images")
        image = tx.insert(
            ImageRow(
                name=free_name(tx, ImageRow, name),
                uuid=self._services.new_uuid(),
                datastore_id=disk.datastore_id,
                type="os" if disk.image is None else disk.image.type,
                format=disk.format,
                size=size_of(disk),
                state=int(ImageState.LOCKED),
                persistent=int(persistent),
                **self._belongs(call),
                created=tx.now,
                body={"source": f"disk {disk.disk_id} of VM {vm.name} ({vm.id})"},
            )
        )
        tx.event("image.created", "image", image.id, actor=call.actor, name=image.name)
        return {"disk": disk.disk_id, "layer": layer, "image": image.id}


def _in_use(vm: VmRow, hint: str) -> ConflictError:
    return ConflictError(
        f"VM {vm.name} ({vm.id}) runs: an image of its disk would be of no one moment",
        cause="only a snapshot of a disk can be saved while it runs",
        hint=hint,
    )


def like(machine: Machine, images: dict[int, int]) -> dict[str, Any]:
    """The VM's template, with these images (by disk) in the place of its own disks; addresses are leased anew."""
    template = {key: value for key, value in machine.template.items() if key not in _MADE_ANEW}
    if isinstance(template.get("OS"), dict):
        template["OS"] = {key: value for key, value in template["OS"].items() if key != "UUID"}
    disks = []
    for disk in machine.disks:
        given = dict(machine.said_of_disk(disk))
        if disk.disk_id in images:
            given = {key: value for key, value in given.items() if key not in _OF_ONE} | {"IMAGE_ID": images[disk.disk_id]}
        elif disk.kind == "cdrom":
            given = {"TYPE": "cdrom"} if disk.empty else {"IMAGE_ID": disk.image_id}
        disks.append(given)
    for nic in machine.passthrough:
        devices = list(template["PCI"])
        devices[nic.pci] = {"NETWORK_ID": nic.network_id, **_rest(nic.asked)}
        template["PCI"] = devices
    cards = [{"NETWORK_ID": nic.network_id, **_rest(machine.card(nic))} for nic in machine.nics]
    aliases = [
        {"NETWORK_ID": alias.network_id, **_rest(alias.asked), "PARENT": str(number)}
        for number, nic in enumerate(machine.nics)  # which is the card's number in the new VM
        for alias in nic.aliases
    ]
    return {**template, "DISK": disks, **({"NIC": cards} if cards else {}), **({"NIC_ALIAS": aliases} if aliases else {})}


def _rest(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of a card or an alias, but which network and which addresses."""
    return {key: value for key, value in asked.items() if key not in _OF_ONE and not key.startswith("NETWORK")}

"""PCI devices that come to VMs which exist, and leave them: while no guest runs, as its host's devices are booked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula import typed
from nebula.engine.api.values import Accepted, Call
from nebula.engine.jobs.operations.cards import drop
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.creation import Creation
from nebula.engine.local.reserving import give_back, reserve_further
from nebula.engine.local.vm_noun import VmNoun
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.hardware.host_devices import devices_called, pci_wishes
from nebula.engine.machines.held import Held
from nebula.engine.machines.machine import Machine, addresses_of, body_of, machine_of
from nebula.engine.machines.template import regular
from nebula.engine.store.rows import HostRow, ReservationRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import NotFoundError, UsageError


class DeviceVerbs(VmNoun):
    """See nebula.engine.api.verbs.Vms."""

    def pci_attach(self, ref: str, pci: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.pci_attach."""
        item = regular({"PCI": [pci]})["PCI"][0]

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            guard_ours(vm, "pci-attach")
            machine = machine_of(vm)
            name = _append(machine, item)
            template = machine.template
            check_hardware(template, vcpus=vm.vcpus, memory=vm.memory, disks=machine.disk_ids, nics=machine.nic_ids)
            number = len(template["PCI"]) - 1
            if str(item.get("TYPE") or ""):
                creation = Creation(tx, self._services, self._leases, call.actor, self.person)
                machine.passthrough.append(creation.function(vm, machine.next_nic_id(), number, template["PCI"][number]))
            if vm.host_id > 0:
                reserve_further(tx, vm, tx.get(HostRow, vm.host_id), pci_wishes(template)[number])
            tx.swap(vm, body=body_of(machine), ips=addresses_of(machine))
            return self._device_told(tx, vm, call, "pci-attach", name)

        return self._change(call, work)

    def pci_detach(self, ref: str, pci: str, call: Call) -> Accepted:
        """See Vms.pci_detach."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            guard_ours(vm, "pci-detach")
            number, name = _named(tx, vm, pci)
            card = next((nic for nic in machine_of(vm).passthrough if nic.pci == number), None)
            if card is not None:
                free = drop(tx, self._services, vm, card.nic_id)
                tx.after_commit(lambda: self._leases.came_free(free))
            machine = machine_of(vm)
            _remove(machine, number)
            tx.swap(vm, body=body_of(machine))
            give_back(tx, vm, number)
            return self._device_told(tx, vm, call, "pci-detach", name)

        return self._change(call, work)

    def _device_told(self, tx: Transaction, vm: VmRow, call: Call, verb: str, name: str) -> Accepted:
        tx.event(f"vm.{verb}", "vm", vm.id, actor=call.actor, name=vm.name, device=name)
        would = (f"{verb} VM {vm.name} ({vm.id}): {name}",) if call.dry_run else ()
        return Accepted(kind="vm", id=vm.id, name=vm.name, would=would)


def _append(machine: Machine, item: Mapping[str, Any]) -> str:
    """Its name: the one that it was given, or the next that no device had."""
    devices = list(machine.template.get("PCI") or ())
    taken = devices_called(machine.template)
    name = str(item.get("NAME") or "")
    if name in taken:
        raise UsageError(f"VM has a device {name} already", hint="give the new one another NAME")
    if not name:
        number = len(devices)
        while f"PCI{number}" in taken:
            number += 1
        name = f"PCI{number}"
    given = dict(item) if name == f"PCI{len(devices)}" else {**item, "NAME": name}
    machine.template = {**machine.template, "PCI": [*devices, given]}
    return name


def _remove(machine: Machine, number: int) -> None:
    """Devices after it keep their names."""
    names = devices_called(machine.template)
    kept = [
        dict(item) if at < number else {**item, "NAME": names[at]}
        for at, item in enumerate(machine.template["PCI"])
        if at != number
    ]
    machine.template = {key: value for key, value in machine.template.items() if key != "PCI"} | ({"PCI": kept} if kept else {})
    for card in machine.passthrough:
        card.pci -= card.pci > number


def _named(queries: Queries, vm: VmRow, ref: str) -> tuple[int, str]:
    """(Number, name) of the device of that name, number, or address on its host; NotFoundError otherwise."""
    names = devices_called(machine_of(vm).template)
    row = queries.first(ReservationRow, '"vm_id"=? AND "host_id"=?', (vm.id, vm.host_id))
    held = typed.convert(row.body, Held).pci if row is not None else ()
    for number, name in enumerate(names):
        address = held[number] if number < len(held) else ""
        if ref in (name, str(number)) or (address and ref.lower() in (address, address.removeprefix("0000:"))):
            return number, name
    has = ", ".join(f"{name} ({held[at]})" if at < len(held) else name for at, name in enumerate(names))
    raise NotFoundError(
        f"VM {vm.name} ({vm.id}) has no PCI device {ref!r}", cause=f"it has {has or 'none'}", hint=f"nebula vm show {vm.id}"
    )

"""What a VM needs of a host's own hardware becomes its own, in the transaction that gives it the host."""

from __future__ import annotations

import msgspec

from nebula import typed
from nebula.engine.machines.hardware.host_devices import PciWish
from nebula.engine.machines.hardware.needs import Needs, asks
from nebula.engine.machines.held import Held
from nebula.engine.machines.machine import template_of
from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.criteria import HARDWARE, first_refusal
from nebula.engine.scheduler.hardware import hardware_views, pins_vms
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.snapshot import load
from nebula.engine.scheduler.stock import Stock
from nebula.engine.store.rows import HostRow, ReservationRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError


def reserve_further(tx: Transaction, vm: VmRow, host: HostRow, wish: PciWish) -> None:
    """One device more of the host that the VM is on; CapacityError where it has none that is free."""
    found = Stock(hardware_views(tx, [host])[host.id]).fit(Needs(pci=(wish,)))
    if isinstance(found, Refusal):
        raise CapacityError(
            f"host {host.name} has no PCI device {wish} for VM {vm.name}",
            cause=found.told(),
            hint=f"nebula host describe {host.name}",
        )
    row = tx.first(ReservationRow, '"vm_id"=? AND "host_id"=?', (vm.id, host.id))
    if row is None:
        tx.insert(ReservationRow(vm_id=vm.id, host_id=host.id, body=msgspec.to_builtins(found)))
        return
    held = typed.convert(row.body, Held)
    tx.change(row, body=msgspec.to_builtins(msgspec.structs.replace(held, pci=held.pci + found.pci)))


def give_back(tx: Transaction, vm: VmRow, number: int) -> None:
    """The PCI device of that number, wherever the VM has one booked."""
    for row in tx.select(ReservationRow, '"vm_id"=?', (vm.id,)):
        held = typed.convert(row.body, Held)
        left = msgspec.structs.replace(held, pci=held.pci[:number] + held.pci[number + 1 :])
        if left == Held():
            tx.delete(row)
        else:
            tx.change(row, body=msgspec.to_builtins(left))


def reserve(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """CapacityError where the host does not have it. What is left of former stays of the VM goes."""
    asking = asks(template_of(vm))
    if asking:
        here = vm.host_id if vm.host_id != host.id else 0
        tx.execute('DELETE FROM "reservation" WHERE "vm_id"=? AND "host_id"<>?', (vm.id, here))
    elif not pins_vms(host):
        return
    snapshot = load(tx, only=vm, host=host.id)
    view = snapshot.pending[0]
    room = Board(snapshot, snapshot.pending).rooms[host.id]
    refusal = first_refusal(HARDWARE, view, room)
    if refusal is not None:
        raise CapacityError(
            f"host {host.name} cannot take VM {vm.name}",
            cause=refusal.told(),
            hint=f"nebula vm explain {vm.id}, or: nebula host describe {host.name}",
        )
    held = room.ground.hardware.fit(view, host.id)
    if not isinstance(held, Refusal) and held != Held():
        tx.insert(ReservationRow(vm_id=vm.id, host_id=host.id, body=msgspec.to_builtins(held)))

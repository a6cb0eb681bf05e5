"""What a VM needs of a host's own hardware becomes its own, in the transaction that gives it the host."""

from __future__ import annotations

import msgspec

from nebula.engine.machines.hardware.needs import asks
from nebula.engine.machines.held import Held
from nebula.engine.machines.machine import template_of
from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.criteria import HARDWARE, first_refusal
from nebula.engine.scheduler.hardware import pins_vms
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.snapshot import load
from nebula.engine.store.rows import HostRow, ReservationRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError


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

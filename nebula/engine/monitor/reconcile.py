"""What a host said of its domains becomes the state of VMs, by the table of observed transitions."""

from __future__ import annotations

from collections.abc import Mapping

from nebula.engine.lifecycle.moves import move, place_of
from nebula.engine.lifecycle.observed import Seen, interpret
from nebula.engine.lifecycle.states import VmState
from nebula.engine.lifecycle.table import RUNNING, UNKNOWN, find
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.model.domain import DomainReality


def take_up(tx: Transaction, vm: VmRow, reality: DomainReality | None, *, asked: float, elsewhere: str = "") -> bool:
    """Bring the VM's state in line with what its (reachable) host says; True if something changed.

    A VM with a job under way is left to its job, and so is one that is not booked on a host.
    `elsewhere`: another host that runs it, for the reason shown. `asked`: when the host was asked, seconds since the epoch;
    an answer from before the VM's last change says nothing about it any more.
    """
    if vm.since >= asked:
        return False
    if vm.job_id or vm.host_id < 0 or vm.state not in {VmState.ACTIVE, VmState.POWEROFF, VmState.SUSPENDED}:
        return False
    seen = interpret(reality)
    if seen.verb == "seen-nothing" and vm.state == VmState.POWEROFF:
        return False
    if elsewhere:
        seen = Seen("seen-nothing", f"runs on host {elsewhere}, where nebula did not put it")
    return _apply(tx, vm, seen)


def _apply(tx: Transaction, vm: VmRow, seen: Seen) -> bool:
    row = find(seen.verb, place_of(vm)) if seen.verb else None
    if row is not None and row.success is not None:
        move(tx, vm, row.success, reason=seen.reason, alarm=seen.alarm)
        return True
    same_place = place_of(vm) == (RUNNING if seen.verb == "seen-running" else UNKNOWN if seen.verb == "seen-nothing" else None)
    if same_place and (seen.alarm != vm.alarm or (seen.verb == "seen-nothing" and seen.reason != vm.reason)):
        tx.swap(vm, alarm=seen.alarm, reason=seen.reason)
        tx.event("vm.alarm", "vm", vm.id, name=vm.name, alarm=seen.alarm, reason=seen.reason)
        return True
    return False


def silent(tx: Transaction, host: HostRow, error: str) -> None:
    """The host does not answer: its running VMs become UNKNOWN, never POWEROFF."""
    for vm in tx.select(VmRow, '"host_id"=? AND "state" IN (3,5) AND "job_id"=0', (host.id,)):
        row = find("seen-nothing", place_of(vm))
        if row is not None and row.success is not None:
            move(tx, vm, row.success, reason=f"host {host.name} does not answer: {error}"[:500])


def whole_host(
    tx: Transaction,
    host: HostRow,
    realities: Mapping[str, DomainReality],
    elsewhere: Mapping[str, str],
    asked: float,
) -> None:
    """All VMs booked on a host against all domains that it has."""
    for vm in tx.select(VmRow, '"host_id"=? AND "state"<>6 AND "job_id"=0', (host.id,)):
        take_up(tx, vm, realities.get(vm.uuid), asked=asked, elsewhere=elsewhere.get(vm.uuid, ""))

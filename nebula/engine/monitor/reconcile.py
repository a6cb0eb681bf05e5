"""What a host said of its domains becomes the state of VMs, by the table of observed transitions."""

from __future__ import annotations

from nebula.engine.lifecycle.moves import move, place_of
from nebula.engine.lifecycle.observed import Seen, interpret
from nebula.engine.lifecycle.states import LcmState, VmState
from nebula.engine.lifecycle.table import RUNNING, UNKNOWN, Transition, find
from nebula.engine.monitor.booked import Booked
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.model.domain import DomainReality


def news(vm: VmRow | Booked, reality: DomainReality | None, *, asked: float, elsewhere: str = "") -> Seen | None:
    """What the VM's (reachable) host says of it, if that changes anything.

    A VM with a job under way is left to its job, and so is one that is not booked on a host.
    `elsewhere`: another host that runs it, for the reason shown. `asked`: when the host was asked, seconds since the epoch;
    an answer from before the VM's last change says nothing about it any more.
    """
    if vm.since >= asked:
        return None
    if vm.job_id or vm.host_id < 0 or vm.state not in {VmState.ACTIVE, VmState.POWEROFF, VmState.SUSPENDED}:
        return None
    seen = interpret(reality)
    if seen.verb == "seen-nothing" and vm.state == VmState.POWEROFF:
        return None
    if elsewhere:
        seen = Seen("seen-nothing", f"runs on host {elsewhere}, where nebula did not put it")
    return seen if _moves(vm, seen) or _words_differ(vm, seen) else None


def take_up(tx: Transaction, vm: VmRow, reality: DomainReality | None, *, asked: float, elsewhere: str = "") -> bool:
    """Bring the VM's state in line with what its host says, see `news`; True if something changed."""
    seen = news(vm, reality, asked=asked, elsewhere=elsewhere)
    if seen is None:
        return False
    row = _moves(vm, seen)
    if row is not None and row.success is not None:
        move(tx, vm, row.success, reason=seen.reason, alarm=seen.alarm)
    else:
        tx.swap(vm, alarm=seen.alarm, reason=seen.reason)
        tx.event("vm.alarm", "vm", vm.id, name=vm.name, alarm=seen.alarm, reason=seen.reason)
    return True


def _moves(vm: VmRow | Booked, seen: Seen) -> Transition | None:
    row = find(seen.verb, place_of(vm)) if seen.verb else None
    return row if row is not None and row.success is not None else None


def _words_differ(vm: VmRow | Booked, seen: Seen) -> bool:
    place = {"seen-running": RUNNING, "seen-nothing": UNKNOWN}.get(seen.verb)
    if place_of(vm) != place:
        return False
    return seen.alarm != vm.alarm or (seen.verb == "seen-nothing" and seen.reason != vm.reason)


def silent(tx: Transaction, host: HostRow, error: str) -> None:
    """The host does not answer: its running VMs become UNKNOWN, never POWEROFF."""
    reason = error if host.name in error else f"host {host.name} does not answer: {error}"
    shown_otherwise = '"host_id"=? AND "state" IN (3,5) AND "job_id"=0 AND NOT ("state"=3 AND "lcm_state"=?)'
    for vm in tx.select(VmRow, shown_otherwise, (host.id, int(LcmState.UNKNOWN))):
        row = find("seen-nothing", place_of(vm))
        if row is not None and row.success is not None:
            move(tx, vm, row.success, reason=reason[:500])

"""The only way a VM's place changes: by a row of the table, in a transaction, with its event."""

from __future__ import annotations

from typing import Any, Protocol

from nebula.engine.lifecycle.states import LcmState, Place, VmState
from nebula.engine.lifecycle.table import REFUSED, Transition, find, legal_verbs
from nebula.engine.store.rows import VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import WrongStateError


class Placed(Protocol):
    """A VM, or as much of one as tells its place."""

    state: int
    lcm_state: int


def place_of(vm: Placed) -> Place:
    """Where the VM stands."""
    state = VmState(vm.state)
    return Place(state, LcmState(vm.lcm_state) if state is VmState.ACTIVE else LcmState.LCM_INIT)


def guard(vm: VmRow, verb: str) -> Transition:
    """The row for the verb from where the VM stands; WrongStateError says which verbs are allowed now."""
    place = place_of(vm)
    row = find(verb, place)
    if row is None:
        allowed = legal_verbs(place)
        instead = f"allowed now: {', '.join(allowed)}" if allowed else "its job must end first"
        raise WrongStateError(
            f"VM {vm.name} ({vm.id}) is {place.name}: {verb} is not possible",
            cause="; ".join(filter(None, (REFUSED.get((verb, place)), instead))),
            hint=f"nebula job show {vm.job_id}" if vm.job_id else f"nebula vm describe {vm.id}",
        )
    if vm.job_id and row.job:
        raise WrongStateError(
            f"VM {vm.name} ({vm.id}) is busy with job {vm.job_id}: {verb} must wait",
            hint=f"nebula job wait {vm.job_id}, or nebula job cancel {vm.job_id}",
        )
    return row


def move(tx: Transaction, vm: VmRow, place: Place, *, reason: str = "", actor: str = "", **changes: Any) -> None:
    """Put the VM there, with an event that carries the old and the new name."""
    before = place_of(vm)
    since = vm.since if before == place else tx.now
    tx.swap(vm, state=int(place.state), lcm_state=int(place.lcm), reason=reason, since=since, **changes)
    tx.event(
        "vm.state", "vm", vm.id, actor=actor, name=vm.name, before=before.name, after=place.name, reason=reason,
        host=vm.host_id,
    )  # fmt: skip

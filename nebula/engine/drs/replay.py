"""Snapshots from files through the real planner, with hosts that do at once what they are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from nebula import typed
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.rebalance import rebalance
from nebula.engine.drs.settings import changed
from nebula.engine.drs.values import DrsPlan, DrsSnapshot
from nebula.errors import UsageError

_LARGEST = 1e12
"""Of any figure; what is larger is no measurement."""
_SMALLEST = 1e-3
"""Of a host's capacities, but for 0: not known."""
_PAIRS = 50_000_000
"""Hosts times VMs: the planner keeps a flag for each."""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    snapshot: DrsSnapshot
    policy: DrsPolicy = DrsPolicy()


def replay(files: Sequence[Mapping[str, Any]], changes: Mapping[str, str]) -> list[DrsPlan]:
    """A plan for each of a series, as `drs snapshot` writes them; a VM is where the plan before put it, unless it is gone.

    UsageError for something else than a snapshot.
    """
    plans: list[DrsPlan] = []
    where: dict[int, int] = {}
    for number, body in enumerate(files, 1):
        try:
            read = typed.convert(body, _File)
            _check(read.snapshot)
        except (ValueError, msgspec.ValidationError) as error:
            which = f"number {number} of {len(files)}" if len(files) > 1 else "this"
            raise UsageError(
                f"{which} is no snapshot of a cluster", cause=str(error), hint="nebula drs snapshot FILE"
            ) from error
        plan = rebalance(_moved(read.snapshot, where), changed(read.policy, changes))
        where.update({move.vm_id: move.target_id for move in plan.moves})
        plans.append(plan)
    return plans


def _check(snapshot: DrsSnapshot) -> None:
    """ValueError for what cannot be a cluster: the planner trusts its figures."""
    if len(snapshot.hosts) * len(snapshot.vms) > _PAIRS:
        raise ValueError(f"{len(snapshot.hosts)} hosts with {len(snapshot.vms)} VMs are too many")
    hosts = {host.id for host in snapshot.hosts}
    for kind, ids in (("host", [host.id for host in snapshot.hosts]), ("VM", [vm.id for vm in snapshot.vms])):
        if len(set(ids)) < len(ids):
            raise ValueError(f"a {kind}'s id is there twice")
    for vm in snapshot.vms:
        if vm.host_id not in hosts:
            raise ValueError(f"VM {vm.id} is on host {vm.host_id}, which is not there")
    _in_range("time or link", (snapshot.at, snapshot.link_mib))
    for host in snapshot.hosts:
        if any(0 < part < _SMALLEST for part in host.capacity):
            raise ValueError(f"a capacity of host {host.id} is next to nothing")
        _in_range(f"host {host.id}", (*host.capacity, *host.watts, max(0, host.cpu_max), max(0, host.memory_max)))
    for vm in snapshot.vms:
        _in_range(f"VM {vm.id}", (*vm.mean, *vm.spread, vm.cpu, vm.memory, vm.copy_mib, vm.dirty_mib, vm.past_mib, *vm.history))


def _in_range(what: str, figures: Iterable[float]) -> None:
    for figure in figures:
        if not 0 <= figure <= _LARGEST:
            raise ValueError(f"a figure of {what} is out of range")


def _moved(snapshot: DrsSnapshot, where: Mapping[int, int]) -> DrsSnapshot:
    hosts = {host.id for host in snapshot.hosts}
    vms = tuple(msgspec.structs.replace(vm, host_id=where[vm.id]) if where.get(vm.id) in hosts else vm for vm in snapshot.vms)
    return msgspec.structs.replace(snapshot, vms=vms)

"""place(snapshot, pending) -> Plan: in order of arrival, each VM on the feasible host with the best score."""

from __future__ import annotations

from collections.abc import Sequence

from nebula.engine.scheduler.criteria import FILTERS, SCORES, Refusal, Room
from nebula.engine.scheduler.values import Action, ClusterSnapshot, Plan, Unplaced, VmView


def place(snapshot: ClusterSnapshot, pending: Sequence[VmView]) -> Plan:
    """A plan for the VMs that wait. The order of the hosts in the snapshot does not matter."""
    rooms = {host.id: Room(host, host.cpu_free, host.memory_free, host.vms) for host in sorted(snapshot.hosts, key=_by_id)}
    actions: list[Action] = []
    unplaced: list[Unplaced] = []
    for vm in pending:
        chosen, refusals = _choose(vm, list(rooms.values()))
        if chosen is None:
            unplaced.append(_explain(vm, refusals))
            continue
        rooms[chosen.host.id] = Room(chosen.host, chosen.cpu - vm.cpu, chosen.memory - vm.memory, chosen.vms + 1)
        actions.append(Action(vm_id=vm.id, host_id=chosen.host.id, reason=_reason(chosen, len(rooms), len(refusals))))
    return Plan(actions=tuple(actions), unplaced=tuple(unplaced))


def _by_id(host: object) -> int:
    return int(getattr(host, "id", 0))


def _choose(vm: VmView, rooms: Sequence[Room]) -> tuple[Room | None, dict[str, Refusal]]:
    if vm.impossible:
        return None, {room.host.name: Refusal("out of reach", vm.impossible) for room in rooms}
    refusals: dict[str, Refusal] = {}
    best: tuple[float, Room] | None = None
    for room in rooms:
        refusal = next((found for test in FILTERS if (found := test(vm, room)) is not None), None)
        if refusal is not None:
            refusals[room.host.name] = refusal
            continue
        score = sum(criterion(vm, room) for criterion in SCORES)
        if best is None or score > best[0]:
            best = (score, room)
    return (best[1] if best else None), refusals


def _reason(room: Room, hosts: int, refused: int) -> str:
    return f"fewest VMs ({room.vms}) of {hosts - refused} hosts that can take it"


def _explain(vm: VmView, refusals: dict[str, Refusal]) -> Unplaced:
    return Unplaced(
        vm_id=vm.id, summary=summary(refusals), hosts={name: refusal.words for name, refusal in sorted(refusals.items())}
    )


def summary(refusals: dict[str, Refusal]) -> str:
    """For example: "8 hosts: 5 short of memory by 2048 to 6144 MiB, 3 out of reach"."""
    if not refusals:
        return "there are no hosts"
    groups: dict[str, list[int]] = {}
    for refusal in refusals.values():
        groups.setdefault(refusal.test, []).append(refusal.short)
    parts = [f"{len(shorts)} {test}{_span(test, shorts)}" for test, shorts in sorted(groups.items())]
    return f"{len(refusals)} host{'s' if len(refusals) > 1 else ''}: {', '.join(parts)}"


def _span(test: str, shorts: list[int]) -> str:
    low, high = min(shorts), max(shorts)
    if not high:
        return ""
    unit, scale = ("MiB", 1) if "memory" in test else ("cores", 100)
    return f" by {low / scale:g} {unit}" if low == high else f" by {low / scale:g} to {high / scale:g} {unit}"

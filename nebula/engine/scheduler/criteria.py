"""The filters: each says why a host cannot take a VM, or nothing.

A filter is one function and one line in its list. LASTING ones answer the same during a whole plan, and are asked once for
all VMs that are alike; PASSING ones depend on what the plan put on the host.
"""

from __future__ import annotations

from collections.abc import Callable

from nebula.engine.scheduler.hardware import PIN_POLICY
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import VmView
from nebula.engine.scheduler.wishes import as_required, moves

UNPINNED, FOR_PINNED = "not for pinned VMs", "for pinned VMs only"
Filter = Callable[[VmView, Room], Refusal | None]


def _possible(vm: VmView, _: Room) -> Refusal | None:
    return Refusal("out of reach", vm.impossible) if vm.impossible else None


def _state(_: VmView, room: Room) -> Refusal | None:
    if room.host.state == "MONITORED":
        return None
    why = f": {room.host.error}" if room.host.error else ""
    return Refusal(f"{room.host.state.lower()}", f"the host is {room.host.state}{why}")


def _asked(vm: VmView, room: Room) -> Refusal | None:
    if vm.only_on in {-1, room.host.id}:
        return None
    return Refusal("not the host asked for", "another host was asked for")


def _left(vm: VmView, room: Room) -> Refusal | None:
    return Refusal("to be left", "the VM must leave this host") if room.host.id in vm.not_on else None


def _home(vm: VmView, room: Room) -> Refusal | None:
    if not vm.homes or room.host.id in vm.homes:
        return None
    return Refusal("without its persistent image", "the VM's persistent image is on another host")


def _cluster(vm: VmView, room: Room) -> Refusal | None:
    if not vm.clusters or room.host.cluster_id in vm.clusters:
        return None
    return Refusal("out of reach", f"not in a cluster that has {', '.join(vm.limits) or 'what it needs'}")


def _pinning(vm: VmView, room: Room) -> Refusal | None:
    """Hosts are for VMs with CPUs of their own, or for all others: those would take the CPUs away again."""
    wanted = vm.needs is not None and vm.needs.pinned
    if wanted == room.host.pinned:
        return None
    if wanted:
        return Refusal(UNPINNED, f"the VM has CPUs of its own, and the host is not for such: {PIN_POLICY}=PINNED")
    return Refusal(FOR_PINNED, f"the host is for VMs that have CPUs of their own: {PIN_POLICY}=PINNED")


def _processor(vm: VmView, room: Room) -> Refusal | None:
    needs, host = vm.needs, room.host
    if needs is None:
        return None
    if needs.encryption and needs.encryption not in host.encryption:
        return Refusal("without encrypted memory", f"it cannot encrypt memory with {needs.encryption}")
    if needs.cpu_model and host.cpu_models and needs.cpu_model not in host.cpu_models:
        return Refusal("without its CPU model", f"libvirt has no CPU model {needs.cpu_model} for guests there")
    missing = sorted(set(needs.cpu_features) - host.cpu_features) if host.cpu_features else []
    return Refusal("without its CPU features", f"its CPU has no {', '.join(missing)}") if missing else None


def _hardware(vm: VmView, room: Room) -> Refusal | None:
    if vm.needs is None or not vm.needs.held:
        return None
    found = room.ground.hardware.fit(vm, room.host.id)
    return found if isinstance(found, Refusal) else None


def _required(vm: VmView, room: Room) -> Refusal | None:
    return None if moves(vm.requirements) else as_required(vm, room)


def _required_now(vm: VmView, room: Room) -> Refusal | None:
    return as_required(vm, room) if moves(vm.requirements) else None


def _memory(vm: VmView, room: Room) -> Refusal | None:
    short, free = vm.memory - room.memory, room.memory
    if short <= 0:
        return None
    return Refusal("short of memory", lambda: f"short of memory by {short} MiB ({free} MiB free)", short)


def _cpu(vm: VmView, room: Room) -> Refusal | None:
    short, free = vm.cpu - room.cpu, room.cpu
    if short <= 0:
        return None
    return Refusal("short of CPU", lambda: f"short of CPU by {short / 100:g} cores ({free / 100:g} free)", short)


def _role(vm: VmView, room: Room) -> Refusal | None:
    return room.ground.company.bound(vm, room.host.id) if vm.group_id else None


def _group(vm: VmView, room: Room) -> Refusal | None:
    return room.ground.company.refusal(vm, room.host.id) if vm.group_id else None


def _space(vm: VmView, room: Room) -> Refusal | None:
    return room.ground.spaces.refusal(vm, room.host.id) if vm.space else None


def _reserve(vm: VmView, room: Room) -> Refusal | None:
    reserve = room.ground.reserves.get(room.host.cluster_id) if room.ground.reserves else None
    return reserve.refuses(vm, room.host.cluster_id) if reserve is not None else None


LASTING: tuple[Filter, ...] = (_possible, _state, _asked, _left, _home, _cluster, _role, _required, _pinning, _processor)
PASSING: tuple[Filter, ...] = (_group, _required_now, _memory, _cpu, _hardware, _space, _reserve)
HARDWARE: tuple[Filter, ...] = (_pinning, _processor, _hardware)
"""What no force changes."""
RULES: tuple[Filter, ...] = (_role, _group, _reserve)
"""What also holds for a host that a person chose, unless that person insists."""


def is_state(test: Filter) -> bool:
    """Whether the filter is about the host's state alone, which passes."""
    return test is _state


def first_failed(tests: tuple[Filter, ...], vm: VmView, room: Room) -> Filter | None:
    """The first test that the host fails; asked again, it says why."""
    for test in tests:
        if test(vm, room) is not None:
            return test
    return None


def first_refusal(tests: tuple[Filter, ...], vm: VmView, room: Room) -> Refusal | None:
    """The first test that the host fails."""
    for test in tests:
        found = test(vm, room)
        if found is not None:
            return found
    return None


def all_refusals(vm: VmView, room: Room) -> list[Refusal]:
    """Every test that the host fails, in the order of the lists."""
    return [found for test in (*LASTING, *PASSING) if (found := test(vm, room)) is not None]

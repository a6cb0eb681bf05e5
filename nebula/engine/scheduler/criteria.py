"""The criteria: filters say why a host cannot take a VM, scores say which of those that can should.

A criterion is one function and one line in its list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nebula.engine.scheduler.values import HostView, VmView


class Room(NamedTuple):
    """What is left on a host while a plan is made."""

    host: HostView
    cpu: int
    memory: int
    vms: int


class Refusal(NamedTuple):
    """A test that failed: a short name for counting, the words for this host, and by how much (0: not a quantity)."""

    test: str
    words: str
    short: int = 0


Filter = Callable[[VmView, Room], Refusal | None]
Score = Callable[[VmView, Room], float]


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


def _memory(vm: VmView, room: Room) -> Refusal | None:
    short = vm.memory - room.memory
    return Refusal("short of memory", f"short of memory by {short} MiB ({room.memory} MiB free)", short) if short > 0 else None


def _cpu(vm: VmView, room: Room) -> Refusal | None:
    short = vm.cpu - room.cpu
    if short <= 0:
        return None
    return Refusal("short of CPU", f"short of CPU by {short / 100:g} cores ({room.cpu / 100:g} free)", short)


def _striping(_: VmView, room: Room) -> float:
    return -room.vms


def _free_memory(_: VmView, room: Room) -> float:
    return room.memory / (1 << 24)


FILTERS: tuple[Filter, ...] = (_state, _asked, _left, _home, _cluster, _memory, _cpu)
SCORES: tuple[Score, ...] = (_striping, _free_memory)
"""In order of weight: the next one decides only between equals, so the second stays under one."""

"""Packing many VMs: host by host, each time the VM that fits best into what is left there in CPU and memory together.

VM by VM, on the fullest host that has room, leaves hosts that are full of one and half empty of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import VmView

_WINDOW = 128
"""VMs that fit, the largest first, of which the best is taken."""


class _One(NamedTuple):
    """A VM that waits, and its needs as shares of the largest host."""

    vm: VmView
    cpu: float
    memory: float


def crowd(board: Board, vms: Sequence[VmView]) -> list[VmView]:
    """Give places to VMs, all of which are packed (see Board.packs); returns those that found none, in their order."""
    cpu = max((room.cpu_max for room in board.rooms.values()), default=1)
    memory = max((room.memory_max for room in board.rooms.values()), default=1)
    for rooms in board.packed():
        found = [vm for vm in vms if vm.id not in board.where and _joins(board, vm, rooms[0])]
        left = [_One(vm, vm.cpu / cpu, vm.memory / memory) for vm in found]
        left.sort(key=lambda one: (-one.cpu - one.memory, one.vm.id))
        for room in rooms:
            if left:
                _fill(board, room, left, (cpu, memory))
    return [vm for vm in vms if vm.id not in board.where]


def _joins(board: Board, vm: VmView, room: Room) -> bool:
    return (not vm.clusters or room.host.cluster_id in vm.clusters) and not board.kind(vm).never


def _fill(board: Board, room: Room, left: list[_One], size: tuple[int, int]) -> None:
    """As many as the host takes; they leave the list."""
    refused: set[int] = set()
    while (index := _best(room, left, refused, size)) is not None:
        vm = left[index].vm
        if board.takes(vm, room):
            board.take(vm, room)
            del left[index]
        else:
            refused.add(vm.id)


def _best(room: Room, left: Sequence[_One], refused: set[int], size: tuple[int, int]) -> int | None:
    """The VM whose needs are most like what is left on the host."""
    cpu, memory = room.cpu / size[0], room.memory / size[1]
    best, most, seen = None, -1.0, 0
    for index, (vm, needs_cpu, needs_memory) in enumerate(left):
        if vm.cpu <= room.cpu and vm.memory <= room.memory and vm.id not in refused:
            likeness = needs_cpu * cpu + needs_memory * memory
            if likeness > most:
                best, most = index, likeness
            seen += 1
            if seen >= _WINDOW:
                break
    return best

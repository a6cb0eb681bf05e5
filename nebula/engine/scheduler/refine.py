"""After a plan was made: its own VMs change places, so that it is as good as if all of them had been searched together.

`Way` finds a place for a VM that found none, by moving one or two VMs of the plan; `even_out` cools the hottest hosts by moves
and swaps, first of what is promised of CPU, then of memory. Only VMs whose place the policy alone decided are moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.policies import UNMEASURED
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import VmView

_PARTNERS = 16
"""Hosts, the coolest first, with which the hottest one tries to swap."""
_ENOUGH = 0.0005
"""Shares closer than this are even."""
_SLACK = 0.002
"""By how much the hottest host may get hotter in the other metric."""
_GAIN = 1e-6
_LOOKS_A_VM = 120
_LOOKS_AT_LEAST = 20_000
_ROUNDS = 3


class Way:
    """Gives VMs that found no place one that VMs of the plan leave for other ones. `tries`: how many exchanges all of them
    together may cost.
    """

    def __init__(self, board: Board, tries: int) -> None:
        self._board, self._tries = board, tries

    def make(self, vm: VmView) -> bool:
        """Whether it has a place now: one that another VM left, or one that two VMs made by changing places."""
        if self._board.kind(vm).never:
            return False
        return any(self._settle(vm, depth, frozenset({vm.id})) for depth in (1, 2))

    def _settle(self, vm: VmView, depth: int, barred: frozenset[int]) -> bool:
        board, kind = self._board, self._board.kind(vm)
        room = board.choose(vm)
        if room is not None:
            board.take(vm, room)
            return True
        for room in board.rooms.values() if depth else ():
            if not room.taken or board.lasting(kind, vm, room) is not None:
                continue
            short = vm.cpu - room.cpu, vm.memory - room.memory
            able = [one for one in room.taken if one.cpu >= short[0] and one.memory >= short[1] and one.id not in barred]
            for other in sorted(able, key=lambda one: (one.memory, one.cpu, one.id)):
                if self._tries <= 0:
                    return False
                if free(board, other) and self._exchange(vm, other, depth, barred):
                    return True
        return False

    def _exchange(self, vm: VmView, other: VmView, depth: int, barred: frozenset[int]) -> bool:
        """The VM where the other one was, and that one elsewhere; nothing if one of them finds no place."""
        self._tries -= 1
        board = self._board
        room = board.give(other)
        if board.refusal(vm, room) is None:
            board.take(vm, room)
            if self._settle(other, depth - 1, barred | {other.id}):
                return True
            board.give(vm)
        board.take(other, room)
        return False


def free(board: Board, vm: VmView) -> bool:
    """Whether the plan may move the VM about: neither a rank, nor its disks, nor those with whom it must be chose its place."""
    kind = board.kind(vm)
    return not (kind.moves or kind.tied or vm.rank or vm.near > 0)


def even_out(board: Board) -> None:
    """Cool the hottest hosts, cluster by cluster, where the policy spreads."""
    clusters: dict[int, list[Room]] = {}
    for room in board.rooms.values():
        if room.host.state == "MONITORED":
            clusters.setdefault(room.host.cluster_id, []).append(room)
    for rooms in clusters.values():
        _Evening(board, rooms).run()


class _Gauge(NamedTuple):
    """How one of the two shares is measured: what a host has in use without the plan's VMs, and how much it is in all."""

    base: float
    size: float
    weight: float


class _Change(NamedTuple):
    """`there` goes to the other room, `back` comes from it (None: nobody)."""

    top: float
    there: VmView
    back: VmView | None
    other: int


class _Evening:
    """The hosts of one cluster. Shares are kept as numbers beside the rooms, as they are compared very often."""

    def __init__(self, board: Board, rooms: Sequence[Room]) -> None:
        self._board, self._rooms = board, rooms
        self._movable = [self._own(room) for room in rooms]
        measured = any(self._board.policy(vm, room).name == "load-aware" for room in rooms for vm in self._own(room))
        self._gauges = [_gauges(room, measured=measured) for room in rooms]
        self._use = [self._shares(index) for index in range(len(rooms))]
        self._looks = max(_LOOKS_AT_LEAST, _LOOKS_A_VM * sum(len(vms) for vms in self._movable))
        self._barred: set[tuple[int, int]] = set()
        """(VM, host) that a filter refused."""

    def run(self) -> None:
        """Until nothing gets better, or it has looked often enough."""
        if len(self._rooms) < 2 or not any(self._movable):
            return
        for _ in range(_ROUNDS):
            cooler = self._cool(0)
            if not self._cool(1) and not cooler:
                break
        self._cool(0)

    def _own(self, room: Room) -> list[VmView]:
        """VMs of the plan that may be moved; none on a host where one minds its company."""
        if any(self._board.kind(vm).moves for vm in room.taken):
            return []
        return [vm for vm in room.taken if free(self._board, vm) and self._board.policy(vm, room).spreads]

    def _shares(self, index: int) -> list[float]:
        room = self._rooms[index]
        taken = sum(vm.cpu for vm in room.taken), sum(vm.memory for vm in room.taken)
        return [(gauge.base + gauge.weight * own) / gauge.size for gauge, own in zip(self._gauges[index], taken, strict=True)]

    def _cool(self, metric: int) -> bool:
        """Lower the highest share of the metric as far as possible; whether anything changed."""
        changed, stuck = False, set[int]()
        ceiling = max(use[1 - metric] for use in self._use) + _SLACK
        while self._looks > 0:
            order = sorted(range(len(self._rooms)), key=lambda index: (self._use[index][metric], index))
            hot = next((index for index in reversed(order) if index not in stuck), None)
            if hot is None or self._use[hot][metric] - self._use[order[0]][metric] < _ENOUGH or (stuck and not metric):
                return changed
            if self._relieve(hot, order[:_PARTNERS], metric, ceiling):
                changed = True
            else:
                stuck.add(hot)
        return changed

    def _relieve(self, hot: int, partners: Sequence[int], metric: int, ceiling: float) -> bool:
        for partner in partners:
            while partner != hot and (change := self._best(hot, partner, metric, ceiling)) is not None:
                if self._carry_out(hot, change):
                    return True
        return False

    def _best(self, hot: int, cool: int, metric: int, ceiling: float) -> _Change | None:
        """The move or swap that leaves the hotter of the two as cool as possible, neither above the ceiling in the other
        metric.
        """
        use, other = (self._use[hot], self._use[cool]), 1 - metric
        mine, its = self._gauges[hot], self._gauges[cool]
        host_ids = self._rooms[hot].host.id, self._rooms[cool].host.id
        size, its_size = mine[metric].size / mine[metric].weight, its[metric].size / its[metric].weight
        wide, its_wide = mine[other].size / mine[other].weight, its[other].size / its[other].weight
        barred, best, top = self._barred, None, use[0][metric] - _GAIN
        coming: list[tuple[int, int, VmView | None]] = [(0, 0, None)]
        coming += [(*_sizes(vm, metric), vm) for vm in self._movable[cool] if (vm.id, host_ids[0]) not in barred]
        for vm in self._movable[hot]:
            amount, beside = _sizes(vm, metric)
            if (vm.id, host_ids[1]) in barred:
                continue
            for back, back_beside, partner in coming:
                goes = amount - back
                if goes <= 0:
                    continue
                high = max(use[0][metric] - goes / size, use[1][metric] + goes / its_size)
                if high < top:
                    aside = beside - back_beside
                    if use[0][other] - aside / wide <= ceiling and use[1][other] + aside / its_wide <= ceiling:
                        top, best = high, _Change(high, vm, partner, cool)
        self._looks -= len(self._movable[hot]) * len(coming)
        return best

    def _carry_out(self, hot: int, change: _Change) -> bool:
        """Change the places; False, and never again, if a filter refuses."""
        board, mine, its = self._board, self._rooms[hot], self._rooms[change.other]
        board.give(change.there)
        if change.back is not None:
            board.give(change.back)
        refused = board.refusal(change.there, its)
        if refused is None:
            board.take(change.there, its)
            if change.back is None or board.refusal(change.back, mine) is None:
                if change.back is not None:
                    board.take(change.back, mine)
                self._settled(hot, change)
                return True
            board.give(change.there)
            self._barred.add((change.back.id, mine.host.id))
        else:
            self._barred.add((change.there.id, its.host.id))
        board.take(change.there, mine)
        if change.back is not None:
            board.take(change.back, its)
        return False

    def _settled(self, hot: int, change: _Change) -> None:
        self._movable[hot].remove(change.there)
        self._movable[change.other].append(change.there)
        if change.back is not None:
            self._movable[change.other].remove(change.back)
            self._movable[hot].append(change.back)
        self._use[hot], self._use[change.other] = self._shares(hot), self._shares(change.other)


def _sizes(vm: VmView, metric: int) -> tuple[int, int]:
    """What it needs of the metric, and of the other one."""
    return (vm.memory, vm.cpu) if metric else (vm.cpu, vm.memory)


def _gauges(room: Room, *, measured: bool) -> tuple[_Gauge, _Gauge]:
    host, cpu, memory = room.host, UNMEASURED if measured else 1.0, room.memory_max - room.host.memory_free
    found = [
        _Gauge(cpu * (room.cpu_max - host.cpu_free), room.cpu_max, cpu), _Gauge(memory, room.memory_max, 1.0)
    ]  # fmt: skip
    if measured and host.cpu_used >= 0 and host.cpu_total > 0:
        found[0] = _Gauge(host.cpu_used, host.cpu_total, cpu)
    if measured and host.memory_used >= 0 and host.memory_total > 0:
        found[1] = _Gauge(host.memory_used, host.memory_total, 1.0)
    return found[0], found[1]

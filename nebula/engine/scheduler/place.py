"""place(snapshot, pending) -> Plan: many VMs in one plan, as good as if all of them were searched together.

Who gets a place where there is not enough for all is decided in turn (`turns`). Where it is, is decided for the largest VM
first, by the policy (`policies`), and bettered afterwards (`refine`). Neither the order of VMs nor that of hosts matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.crowd import crowd
from nebula.engine.scheduler.refine import Way, even_out, free
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.turns import in_turn, turns
from nebula.engine.scheduler.values import Action, ClusterSnapshot, Plan, Unplaced, VmView

_TRIES = 2000
"""Exchanges that a plan tries for VMs that found no place."""


def place(snapshot: ClusterSnapshot, pending: Sequence[VmView]) -> Plan:
    """A plan for the VMs that wait."""
    vms = sorted(pending, key=lambda vm: vm.id)
    board = arrange(snapshot, vms)
    return Plan(
        actions=tuple(_action(board, vm) for vm in _in_order(board, vms)),
        unplaced=tuple(_explain(board, [vm for vm in vms if vm.id not in board.where])),
    )


def arrange(snapshot: ClusterSnapshot, vms: Sequence[VmView]) -> Board:
    """The rooms with the VMs in them."""
    board = Board(snapshot, vms)
    if _fill(board, vms):
        board = _rationed(board, snapshot, vms)
    if len(board.where) > 1:
        even_out(board)
    for cluster_id in board.ground.reserves:
        _keep_reserve(board, snapshot, cluster_id)
    return board


def _keep_reserve(board: Board, snapshot: ClusterSnapshot, cluster_id: int) -> None:
    """In a cluster that would not survive the loss of a host, those whose turn came last get no place: as few as possible."""
    placed = [vm for vm in board.placed() if board.where[vm.id].host.cluster_id == cluster_id != vm.inside]
    coming = turns(snapshot, placed)
    if not (words := board.loss(cluster_id)):
        return
    places = [(vm, board.give(vm)) for vm in reversed(coming)][::-1]
    kept, most = 0, len(places)
    while kept < most:
        middle = (kept + most + 1) // 2
        for vm, room in places[:middle]:
            board.take(vm, room)
        lost = board.loss(cluster_id)
        words = lost or words
        kept, most = (kept, middle - 1) if lost else (middle, most)
        for vm, _ in reversed(places[:middle]):
            board.give(vm)
    for vm, room in places[:kept]:
        board.take(vm, room)
    board.ground.reserves[cluster_id].broken = words


def _rationed(full: Board, snapshot: ClusterSnapshot, vms: Sequence[VmView]) -> Board:
    """There is not enough for all: who gets a place is decided in turn, and where it is for the largest of them first."""
    board = full.again()
    left = _retried(board, in_turn(snapshot, vms, lambda vm: _put(board, vm)))
    if board.where.keys() == full.where.keys():
        board = full
    else:
        better = board.again()
        if not _fill(better, [vm for vm in vms if vm.id in board.where]):
            board = better
            left = in_turn(snapshot, left, lambda vm: _put(better, vm))
    way = Way(board, _TRIES)
    for vm in left:
        way.make(vm)
    return board


def _fill(board: Board, vms: Sequence[VmView]) -> list[VmView]:
    """A place for each, the largest first; returns those that found none."""
    cpu = max((room.cpu_max for room in board.rooms.values()), default=1)
    memory = max((room.memory_max for room in board.rooms.values()), default=1)

    def largest_first(vm: VmView) -> tuple[float, int, int, int, int]:
        """Those that must be together follow each other, as one large VM."""
        whole = board.bundle(vm) if board.kind(vm).tied else [vm]
        share = max(sum(one.cpu for one in whole) / cpu, sum(one.memory for one in whole) / memory)
        return -share, whole[0].id if len(whole) > 1 else 0, -vm.memory, -vm.cpu, vm.id

    order = sorted(vms, key=largest_first)
    packed = {vm.id for vm in order if board.packs(vm) and free(board, vm)}
    left = [vm for vm in order if vm.id not in packed and not _put(board, vm)]
    others = crowd(board, [vm for vm in order if vm.id in packed])
    return _retried(board, left + [vm for vm in others if not _put(board, vm)])


def _retried(board: Board, left: list[VmView]) -> list[VmView]:
    """Those that mind their company try again, as long as that helps."""
    while True:
        still = [vm for vm in left if not (board.kind(vm).moves and _put(board, vm))]
        if len(still) == len(left):
            return left
        left = still


def _put(board: Board, vm: VmView) -> bool:
    room = board.choose(vm)
    if room is not None:
        board.take(vm, room)
    return room is not None


def _in_order(board: Board, vms: Sequence[VmView]) -> list[VmView]:
    """By age; those that mind their company in the order in which they came, behind the others."""
    placed = [vm for vm in vms if vm.id in board.where]
    came = {vm_id: number for number, vm_id in enumerate(board.where)}
    return sorted(placed, key=lambda vm: (board.kind(vm).moves, came[vm.id] if board.kind(vm).moves else vm.id))


def _action(board: Board, vm: VmView) -> Action:
    room = board.where[vm.id]
    beside = f", in a plan for {len(board.where)} VMs" if len(board.where) > 1 else ""
    why = "its disks are there" if vm.near == room.host.id and not vm.rank else board.policy(vm, room).reason(room)
    return Action(vm_id=vm.id, host_id=room.host.id, reason=why + beside)


class Reasons(Mapping[str, str]):
    """Host name -> why it cannot take the VM; looked up and worded when they are read."""

    def __init__(self, board: Board, vm: VmView) -> None:
        self._board, self._vm = board, vm
        self._rooms = board.by_name()

    def __getitem__(self, name: str) -> str:
        found = self._board.refusal(self._vm, self._rooms[name])
        if found is None:
            raise KeyError(name)
        return found.told()

    def __iter__(self) -> Iterator[str]:
        return (name for name, room in self._rooms.items() if self._board.refusal(self._vm, room) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _explain(board: Board, left: Sequence[VmView]) -> Iterator[Unplaced]:
    """VMs that are alike and of one size share their reasons."""
    known: dict[tuple[object, int, int], tuple[str, list[str], Reasons]] = {}
    for vm in left:
        key = (board.kind(vm), vm.cpu, vm.memory)
        if key not in known:
            groups = _grouped(found for room in board.rooms.values() if (found := board.refusal(vm, room)) is not None)
            known[key] = summary(groups), sorted(groups), Reasons(board, vm)
        words, tests, hosts = known[key]
        yield Unplaced(vm_id=vm.id, summary=words, tests=tests, hosts=hosts)


def _grouped(refusals: Iterable[Refusal]) -> dict[str, list[int]]:
    """Test -> by how much each host fails it."""
    groups: dict[str, list[int]] = {}
    for refusal in refusals:
        groups.setdefault(refusal.test, []).append(refusal.short)
    return groups


def summary(groups: Mapping[str, Sequence[int]]) -> str:
    """For example: "8 hosts: 5 short of memory by 2048 to 6144 MiB, 3 out of reach"."""
    hosts = sum(len(shorts) for shorts in groups.values())
    if not hosts:
        return "there are no hosts"
    parts = [f"{len(shorts)} {test}{_span(test, shorts)}" for test, shorts in sorted(groups.items())]
    return f"{hosts} host{'s' if hosts > 1 else ''}: {', '.join(parts)}"


def _span(test: str, shorts: Sequence[int]) -> str:
    low, high = min(shorts), max(shorts)
    if not high:
        return ""
    unit, scale = ("cores", 100) if "CPU" in test else ("MiB", 1)
    return f" by {low / scale:g} {unit}" if low == high else f" by {low / scale:g} to {high / scale:g} {unit}"

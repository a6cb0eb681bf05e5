"""Where a VM could be, and why not elsewhere: every test that a host fails, and what would make it pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.criteria import FOR_PINNED, UNPINNED, all_refusals
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.space import SPACE
from nebula.engine.scheduler.stock import DEVICE, UNKNOWN
from nebula.engine.scheduler.values import ClusterSnapshot, VmView

_LINES = 3
"""Hosts for which the summary says what would help."""
_MOST = 100
"""Percent of overcommitment that are suggested."""
_STATES = {"disabled": "nebula host enable {host}", "offline": "nebula host enable {host}", "error": "nebula host check {host}"}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A host. `why`: every test that it fails, in words; `mend`: what would make it pass them, one thing each."""

    host: str
    here: bool
    fits: bool
    why: list[str]
    mend: list[str]
    order: str = ""
    """Where it fits: what the policy goes by, with the VM there."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Hosts by name, and the cheapest of what would help, a line a host."""

    hosts: tuple[Verdict, ...]
    mend: tuple[str, ...]


def explain(snapshot: ClusterSnapshot, vm: VmView, *, here: int = 0) -> Explanation:
    """About a VM of the snapshot; `here`: its host, which has it already, 0: none."""
    board = Board(snapshot, [vm])
    rooms = sorted(board.rooms.values(), key=lambda room: room.host.name)
    found = [(room, _failed(vm, room, here)) for room in rooms]
    hosts = tuple(_verdict(board, vm, room, refusals, here) for room, refusals in found)
    fits = any(verdict.fits and not verdict.here for verdict in hosts)
    return Explanation(hosts=hosts, mend=() if fits else tuple(_cheapest(vm, found, here)))


def _failed(vm: VmView, room: Room, here: int) -> list[Refusal]:
    refusals = all_refusals(vm, room)
    return [item for item in refusals if item.test != SPACE] if room.host.id == here else refusals


def _verdict(board: Board, vm: VmView, room: Room, refusals: Sequence[Refusal], here: int) -> Verdict:
    order = ""
    if not refusals:
        room.take(vm)
        order = board.policy(vm, room).figures(room)
        room.give(vm)
    return Verdict(
        host=room.host.name,
        here=room.host.id == here,
        fits=not refusals,
        why=[refusal.told() for refusal in refusals],
        mend=[", or ".join(steps) for refusal in refusals if (steps := _mend(vm, room, refusal))],
        order=order,
    )


def _cheapest(vm: VmView, found: Sequence[tuple[Room, list[Refusal]]], here: int) -> Iterator[str]:
    """The hosts that lack least: those that fail the fewest tests, all of which something mends, and there by the least."""
    able = [
        (len(refusals), sum(refusal.short for refusal in refusals), room.host.id, room, refusals)
        for room, refusals in found
        if refusals and room.host.id != here and all(_mend(vm, room, refusal) for refusal in refusals)
    ]
    for _, _, _, room, refusals in sorted(able, key=lambda item: item[:3])[:_LINES]:
        yield f"{room.host.name}: " + "; and ".join(", or ".join(_mend(vm, room, refusal)) for refusal in refusals)


def _mend(vm: VmView, room: Room, refusal: Refusal) -> list[str]:
    """What would make the host pass this test: any one of these."""
    host, test = room.host.name, refusal.test
    if test in _STATES:
        return [_STATES[test].format(host=host)]
    if test == "short of memory":
        return [
            *([f"free {refusal.short} MiB on {host}"] if refusal.short <= room.memory_max - room.memory else []),
            *([f"lower MEMORY to {room.memory} MiB"] if room.memory > 0 else []),
            *_overcommit(host, "memory", room.memory_max + refusal.short, room.host.memory_total),
        ]
    if test == "short of CPU":
        return [
            *([f"free {refusal.short / 100:g} cores on {host}"] if refusal.short <= room.cpu_max - room.cpu else []),
            *([f"lower CPU to {room.cpu / 100:g}"] if room.cpu > 0 else []),
            *_overcommit(host, "cpu", room.cpu_max + refusal.short, room.host.cpu_total),
        ]
    return _mend_rule(vm, room, refusal)


def _mend_rule(vm: VmView, room: Room, refusal: Refusal) -> list[str]:
    test = refusal.test
    force = f"insist: nebula vm {'migrate' if vm.inside else 'deploy'} {vm.id} --host {room.host.name} --force"
    if test.startswith(("short of spare", "not safe")):
        unit = f"{refusal.short / 100:g} cores" if "CPU" in test else f"{refusal.short} MiB"
        return [*([f"free {unit} in the cluster"] if refusal.short else []), "add a host", force]
    if test == SPACE:
        return [f"free {refusal.short} MiB there", "let the datastore keep less free: RESERVED_SPACE"]
    if test in {UNPINNED, FOR_PINNED}:
        return [f"nebula host update {room.host.name} --set PIN_POLICY={'PINNED' if test == UNPINNED else 'NONE'}"]
    if test == UNKNOWN:
        return [f"look at it: nebula host show {room.host.name} --refresh"]
    if test == DEVICE:
        return [f"let the host give one away: nebula host describe {room.host.name}"]
    if test in {"apart from its group", "beside its group", "not a host of its role", "barred for its role"}:
        return [force]
    if test == "not meeting SCHED_REQUIREMENTS":
        return [f"change the requirement: nebula vm update {vm.id} --set SCHED_REQUIREMENTS=…"]
    return []


def _overcommit(host: str, what: str, needed: int, total: int) -> list[str]:
    """The reservation with which the host promises as much as is needed."""
    share = (total - needed) * 100 // total if total > 0 else -_MOST - 1
    if share < -_MOST:
        return []
    name = "CPU" if what == "cpu" else what
    word = f"overcommit {name} of {host} by {-share} %" if share < 0 else f"reserve only {share} % of {name} on {host}"
    return [f"{word}: nebula host update {host} --reserved-{what} {share}%"]

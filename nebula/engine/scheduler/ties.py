"""What binds VMs that have a place: who must share a host, who must not, and which hosts are admitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.criteria import LASTING, is_state
from nebula.engine.scheduler.groups import GroupView, Member
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.snapshot import placed_vms, seen
from nebula.engine.scheduler.values import VmView
from nebula.engine.scheduler.wishes import moves
from nebula.engine.store.rows import VmRow
from nebula.engine.store.transaction import Queries

Ids = tuple[int, ...]


class Ties(NamedTuple):
    """VMs and hosts by id. `together`: sets of VMs that share a host; `apart`: sets no two of which share one; `allowed`:
    the hosts that a VM's requirements, networks, datastores and role admit, whatever is free there and whether or not they
    take VMs now; a VM that is not in it may be on all.
    """

    together: tuple[Ids, ...]
    apart: tuple[Ids, ...]
    allowed: dict[int, Ids]


def ties(queries: Queries, vms: Sequence[VmRow]) -> Ties:
    """Of these VMs, which have a place. A VM whose requirement is about what else is on its host, or that has something of it
    for itself, may only stay.
    """
    views = placed_vms(queries, vms)
    snapshot = seen(queries, views)
    rooms = list(Board(snapshot, views).rooms.values())
    here = {vm.id: vm.host_id for vm in vms}
    known: dict[object, Ids] = {}
    allowed: dict[int, Ids] = {}
    for view in views:
        key = (view.requirements, view.clusters, view.impossible, view.group_id, view.role, view.needs)
        if key not in known:
            known[key] = _admitted(view, rooms)
        stays = moves(view.requirements) or (view.needs is not None and view.needs.held)
        found = (here[view.id],) if stays else known[key]
        if len(found) < len(rooms):
            allowed[view.id] = found
    return Ties(*sets(snapshot.groups, [member for member in snapshot.members if member.vm_id in here]), allowed)


def _admitted(vm: VmView, rooms: Iterable[Room]) -> Ids:
    tests = [test for test in LASTING if not is_state(test)]
    return tuple(room.host.id for room in rooms if all(test(vm, room) is None for test in tests))


def sets(groups: Iterable[GroupView], members: Sequence[Member]) -> tuple[tuple[Ids, ...], tuple[Ids, ...]]:
    """(together, apart) of the groups' VMs that have a place, in order of ids."""
    together: set[Ids] = set()
    apart: set[Ids] = set()
    for group in groups:
        of = {role.name: [member.vm_id for member in members if (member.group_id, member.role) == (group.id, role.name)]
              for role in group.roles}  # fmt: skip
        for role in group.roles:
            if role.policy == "AFFINED":
                together.add(tuple(sorted(of[role.name])))
            if role.policy == "ANTI_AFFINED":
                apart.add(tuple(sorted(of[role.name])))
        for names in group.affined:
            together.add(tuple(sorted(vm for name in names for vm in of[name])))
        for names in group.anti_affined:
            apart.update(_between([of[name] for name in names]))
    return tuple(sorted(ids for ids in together if len(ids) > 1)), tuple(sorted(ids for ids in apart if len(ids) > 1))


def _between(roles: Sequence[Sequence[int]]) -> Iterable[Ids]:
    """Pairs of different roles; one set where each has a single VM."""
    if all(len(vms) <= 1 for vms in roles):
        yield tuple(sorted(vm for vms in roles for vm in vms))
        return
    for number, vms in enumerate(roles):
        for others in roles[number + 1 :]:
            yield from (tuple(sorted(pair)) for pair in product(vms, others))

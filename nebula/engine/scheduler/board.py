"""The rooms of one plan, and the search for the best one that can take a VM.

Hosts are kept in the order of their policy, and looked at from the best on until one can take the VM. What lasts during a
plan is asked once for all VMs that are alike (`Kind`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence

from nebula.engine.scheduler.criteria import LASTING, PASSING, Filter, first_failed, first_refusal
from nebula.engine.scheduler.ground import Ground
from nebula.engine.scheduler.policies import Means, Policy, policy_for, promised
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.reserve import Size, loss
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import ClusterSnapshot, VmView
from nebula.engine.scheduler.wishes import as_required, moves


class Kind:
    """VMs that differ in size and name only."""

    def __init__(self, vm: VmView, *, tied: bool) -> None:
        self.moves = moves(vm.requirements)
        """Whether another VM on a host may make it good enough."""
        self.tied = tied
        """Whether VMs of its group share its host."""
        self.lasting: dict[int, Filter | None] = {}
        """Host id -> the test that it fails, whatever is free; None: none."""
        self.never = False
        """Whether that holds for all hosts."""


_MOST_ORDERS = 64
"""Orders kept: where each VM has a rank of its own, keeping them all would only cost memory."""


class Order:
    """Hosts of a cluster, the best first; brought up to date when it is looked at."""

    def __init__(self, policy: Policy, rooms: Collection[Room], means: Means, seen: int) -> None:
        self._policy, self._means = policy, means
        self._keys = {room.host.id: policy.key(room, means) for room in rooms}
        self._entries = sorted((key, host_id) for host_id, key in self._keys.items())
        self._seen = seen

    def renew(self, changes: Sequence[Room]) -> None:
        """Put the rooms that changed where they belong."""
        for room in {id(room): room for room in changes[self._seen :]}.values():
            host_id = room.host.id
            old = self._keys.get(host_id)
            if old is None:
                continue
            new = self._policy.key(room, self._means)
            if new != old:
                self._entries.pop(bisect_left(self._entries, (old, host_id)))
                insort(self._entries, (new, host_id))
                self._keys[host_id] = new
        self._seen = len(changes)

    def __iter__(self) -> Iterator[tuple[tuple[float, ...], int]]:
        return iter(self._entries)


class Board:
    """`looks` counts the hosts that were looked at for VMs: what a plan costs."""

    def __init__(self, snapshot: ClusterSnapshot, pending: Sequence[VmView], kinds: dict[object, Kind] | None = None) -> None:
        self.ground = Ground(snapshot)
        self.rooms = {host.id: Room(host, self.ground) for host in sorted(snapshot.hosts, key=lambda host: host.id)}
        self.where: dict[int, Room] = {}
        """VM id -> the room that it has in the plan."""
        self._named: dict[str, Room] = {}
        self.looks = 0
        self._snapshot, self._pending = snapshot, pending
        self._clusters = {cluster.id: cluster for cluster in snapshot.clusters}
        self._inside: dict[int, list[Room]] = {}
        for room in self.rooms.values():
            self._inside.setdefault(room.host.cluster_id, []).append(room)
        self._grouped: dict[int, list[VmView]] = {}
        for vm in pending:
            if vm.group_id:
                self._grouped.setdefault(vm.group_id, []).append(vm)
        count = max(1, len(pending))
        self._means = Means(sum(vm.cpu for vm in pending) / count, sum(vm.memory for vm in pending) / count)
        self._orders: dict[tuple[int, Policy], Order] = {}
        self._changes: list[Room] = []
        self._kinds: dict[object, Kind] = {} if kinds is None else kinds
        self._unmet: dict[tuple[Kind, int], int] = {}
        """(kind, host) -> the room's version that did not meet its requirement."""
        self._refused: dict[Kind, list[tuple[int, int]]] = {}
        """(CPU, memory) that no host had left."""

    def again(self) -> Board:
        """The same hosts without the plan; what lasts is still known."""
        return Board(self._snapshot, self._pending, self._kinds)

    def kind(self, vm: VmView) -> Kind:
        """What the VM is like."""
        key = (
            vm.requirements, vm.rank, vm.policy, vm.clusters, vm.not_on, vm.only_on, vm.homes, vm.impossible, vm.limits,
            vm.group_id, vm.role, vm.space, vm.inside, vm.needs,
        )  # fmt: skip
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = Kind(vm, tied=bool(vm.group_id and self.ground.company.tied(vm)))
        return found

    def policy(self, vm: VmView, room: Room) -> Policy:
        """What decides about this VM on hosts like this one."""
        return policy_for(vm, self._clusters.get(room.host.cluster_id))

    def refusal(self, vm: VmView, room: Room) -> Refusal | None:
        """Why the host cannot take the VM, as it is now."""
        failed = self.lasting(self.kind(vm), vm, room)
        return failed(vm, room) if failed is not None else first_refusal(PASSING, vm, room)

    def choose(self, vm: VmView) -> Room | None:
        """The best host that can take it (and all those that must be with it, if there is such a host), or None."""
        kind = self.kind(vm)
        if kind.never:
            return None
        near = self.rooms.get(vm.near) if not (vm.rank or kind.tied) else None
        if near is not None and self._fits(kind, vm, near):
            return near
        if kind.tied:
            room = self._search(vm, self.bundle(vm))
            if room is not None:
                return room
        if self._hopeless(kind, vm):
            return None
        room = self._search(vm, [vm])
        if room is None:
            kind.never = all(kind.lasting.get(host_id) is not None for host_id in self.rooms)
            self._refused.setdefault(kind, []).append((vm.cpu, vm.memory))
        return room

    def bundle(self, vm: VmView) -> list[VmView]:
        """The VM and all that wait, have no place yet, and must share its host."""
        if not vm.group_id:
            return [vm]
        roles = frozenset[str]().union(*self.ground.company.tied(vm))
        return [
            one for one in self._grouped.get(vm.group_id, ()) if one is vm or (one.role in roles and one.id not in self.where)
        ]

    def _search(self, vm: VmView, whole: Sequence[VmView]) -> Room | None:
        """The best host for the VM that can take it and the others."""
        found = list(self._best(vm, whole))
        if len({policy for policy, _, _ in found}) == 1:
            return min(found, key=lambda item: (item[1], item[2].host.id))[2]
        return min(found, key=lambda item: (promised(item[2], self._means), item[2].host.id))[2] if found else None

    def take(self, vm: VmView, room: Room) -> None:
        """The VM has its place there."""
        room.take(vm)
        self.where[vm.id] = room
        self._changes.append(room)

    def give(self, vm: VmView) -> Room:
        """The VM has no place any more; returns the one that it had."""
        room = self.where.pop(vm.id)
        room.give(vm)
        self._changes.append(room)
        self._refused.clear()
        return room

    def by_name(self) -> dict[str, Room]:
        """The rooms by their hosts' names, in order."""
        if not self._named:
            self._named = {room.host.name: room for room in sorted(self.rooms.values(), key=lambda room: room.host.name)}
        return self._named

    def packed(self) -> list[list[Room]]:
        """The rooms of each cluster, in the order of the policy packing."""
        packing = Policy("packing")
        return [[self.rooms[host_id] for _, host_id in self._order(cluster_id, packing)] for cluster_id in sorted(self._inside)]

    def packs(self, vm: VmView) -> bool:
        """Whether every cluster that the VM may be in packs it."""
        policies = {policy_for(vm, self._clusters.get(cluster_id)) for cluster_id in vm.clusters or self._inside}
        return policies == {Policy("packing")}

    def takes(self, vm: VmView, room: Room) -> bool:
        """Whether the host can take the VM, as it is now."""
        return self._fits(self.kind(vm), vm, room)

    def placed(self) -> list[VmView]:
        """The VMs of the plan that have a place."""
        return [vm for vm in self._pending if vm.id in self.where]

    def loss(self, cluster_id: int) -> str:
        """Which host of the cluster could not be lost, in words; empty: each could."""
        residents: dict[int, list[Size]] = {}
        for host_id, cpu, memory in ((one.host_id, one.cpu, one.memory) for one in self._snapshot.residents):
            residents.setdefault(host_id, []).append((cpu, memory))
        rooms = [room for room in self._inside.get(cluster_id, ()) if room.host.state == "MONITORED"]
        return loss(
            [
                (
                    room.host.name,
                    (room.cpu, room.memory),
                    [*residents.get(room.host.id, ()), *((vm.cpu, vm.memory) for vm in room.taken)],
                )
                for room in rooms
            ]
        )

    def _hopeless(self, kind: Kind, vm: VmView) -> bool:
        """Whether one like it, as large or smaller, found no host already: hosts only fill up."""
        if kind.moves:
            return False
        return any(vm.cpu >= cpu and vm.memory >= memory for cpu, memory in self._refused.get(kind, ()))

    def _best(self, vm: VmView, whole: Sequence[VmView]) -> Iterator[tuple[Policy, tuple[float, ...], Room]]:
        """The best of each cluster that has one."""
        cpu, memory = sum(one.cpu for one in whole), sum(one.memory for one in whole)
        kinds = [(self.kind(one), one) for one in whole]
        for cluster_id in sorted(vm.clusters or self._inside):
            policy = policy_for(vm, self._clusters.get(cluster_id))
            for key, host_id in self._order(cluster_id, policy):
                room = self.rooms[host_id]
                if kinds[0][0].lasting.get(host_id) is not None:
                    continue
                if memory <= room.memory and cpu <= room.cpu and all(self._fits(kind, one, room) for kind, one in kinds):
                    yield policy, key, room
                    break

    def _fits(self, kind: Kind, vm: VmView, room: Room) -> bool:
        if kind.moves and self._unmet.get((kind, room.host.id)) == room.version:
            return False
        self.looks += 1
        if self.lasting(kind, vm, room) is not None:
            return False
        if kind.moves and as_required(vm, room) is not None:
            self._unmet[kind, room.host.id] = room.version
            return False
        return first_refusal(PASSING, vm, room) is None

    def _order(self, cluster_id: int, policy: Policy) -> Order:
        found = self._orders.get((cluster_id, policy))
        if found is None:
            if len(self._orders) >= _MOST_ORDERS:
                self._orders.clear()
            rooms = self._inside.get(cluster_id, [])
            found = self._orders[cluster_id, policy] = Order(policy, rooms, self._means, len(self._changes))
        found.renew(self._changes)
        return found

    def lasting(self, kind: Kind, vm: VmView, room: Room) -> Filter | None:
        """The test that all VMs of the kind fail on this host, whatever is free."""
        host_id = room.host.id
        if host_id not in kind.lasting:
            kind.lasting[host_id] = first_failed(LASTING, vm, room)
        return kind.lasting[host_id]

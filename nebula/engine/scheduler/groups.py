"""VM groups in a plan: who shares a host with whom, who keeps apart, and which hosts a role is bound to.

A VM's affinity binds it to hosts that take VMs: whoever is on a host that must be left does not hold the others there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from nebula import typed
from nebula.engine.lifecycle.states import HostState
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.store.rows import VmGroupRow
from nebula.engine.store.transaction import Queries

APART = "apart from its group"
"""The test that a VM fails where those are not with which it must be."""
BESIDE = "beside its group"
"""The test that it fails where those are from which it must keep apart."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """`policy`: AFFINED, ANTI_AFFINED or NONE among the role's own VMs. Hosts by id."""

    name: str
    policy: str = "NONE"
    host_affined: tuple[int, ...] = ()
    """The only hosts for it; empty: all."""
    host_anti_affined: tuple[int, ...] = ()


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A group. `affined`: sets of roles whose VMs all share one host; `anti_affined`: sets of roles no two of which share
    one.
    """

    id: int
    name: str
    roles: tuple[Role, ...] = ()
    affined: tuple[tuple[str, ...], ...] = ()
    anti_affined: tuple[tuple[str, ...], ...] = ()

    def role(self, name: str) -> Role | None:
        """The role of that name."""
        return next((role for role in self.roles if role.name == name), None)

    def together(self, name: str) -> list[frozenset[str]]:
        """Sets of roles with all whose VMs a VM of this role shares its host."""
        role = self.role(name)
        own = [frozenset({name})] if role is not None and role.policy == "AFFINED" else []
        return own + [frozenset(names) for names in self.affined if name in names]

    def apart(self, name: str) -> list[frozenset[str]]:
        """Sets of roles with none of whose VMs a VM of this role shares its host."""
        role = self.role(name)
        own = [frozenset({name})] if role is not None and role.policy == "ANTI_AFFINED" else []
        return own + [frozenset(names) - {name} for names in self.anti_affined if name in names]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A VM with a role that has a place. `hosts`: where its capacity is taken; `home`: where it will be, if that host takes
    VMs (otherwise 0: it binds nobody).
    """

    vm_id: int
    vm: str
    group_id: int
    role: str
    hosts: tuple[int, ...]
    home: int = 0


class Placed(Protocol):
    """What Company needs of a VM."""

    @property
    def id(self) -> int:
        """The VM."""
        ...

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def group_id(self) -> int:
        """Its group."""
        ...

    @property
    def role(self) -> str:
        """Its role there."""
        ...


class Company:
    """Who of the groups is where, while a plan is made."""

    def __init__(self, groups: Iterable[GroupView], members: Iterable[Member], hosts: Mapping[int, str]) -> None:
        self._groups = {group.id: group for group in groups}
        self._hosts = hosts
        self._homes: dict[tuple[int, str], Counter[int]] = {}
        self._there: dict[tuple[int, str, int], dict[int, str]] = {}
        """(group, role, host) -> VM id -> name."""
        for member in members:
            if member.home:
                self._homes.setdefault((member.group_id, member.role), Counter())[member.home] += 1
            for host_id in member.hosts:
                self._there.setdefault((member.group_id, member.role, host_id), {})[member.vm_id] = member.vm

    def take(self, vm: Placed, host_id: int) -> None:
        """The VM comes to the host."""
        self._homes.setdefault((vm.group_id, vm.role), Counter())[host_id] += 1
        self._there.setdefault((vm.group_id, vm.role, host_id), {})[vm.id] = vm.name

    def give(self, vm: Placed, host_id: int) -> None:
        """A VM of the plan leaves it."""
        self._homes[vm.group_id, vm.role][host_id] -= 1
        del self._there[vm.group_id, vm.role, host_id][vm.id]

    def tied(self, vm: Placed) -> list[frozenset[str]]:
        """The sets of roles with which the VM shares its host."""
        group = self._groups.get(vm.group_id)
        return group.together(vm.role) if group is not None else []

    def homes(self, group_id: int, roles: Iterable[str]) -> set[int]:
        """Hosts that have VMs of these roles."""
        found: set[int] = set()
        for role in roles:
            found.update(host for host, count in self._homes.get((group_id, role), Counter()).items() if count > 0)
        return found

    def bound(self, vm: Placed, host_id: int) -> Refusal | None:
        """Why the role may not be on the host, whoever else is there."""
        group = self._groups.get(vm.group_id)
        role = group.role(vm.role) if group is not None else None
        if group is None or role is None:
            return None
        if role.host_affined and host_id not in role.host_affined:
            names = ", ".join(self._name(host) for host in role.host_affined)
            return Refusal("not a host of its role", f"group {group.name}: role {role.name} is bound to {names}")
        if host_id in role.host_anti_affined:
            return Refusal("barred for its role", f"group {group.name}: role {role.name} keeps off this host")
        return None

    def refusal(self, vm: Placed, host_id: int) -> Refusal | None:
        """Why the VM may not be on the host, because of who is where."""
        group = self._groups.get(vm.group_id)
        if group is None:
            return None
        for roles in group.together(vm.role):
            hosts = self.homes(group.id, roles)
            if hosts and host_id not in hosts:
                where = ", ".join(self._name(host) for host in sorted(hosts))
                what = " and ".join(f"role {role}" for role in sorted(roles))
                return Refusal(APART, f"group {group.name}: {what} share a host, and are on {where}")
        for roles in group.apart(vm.role):
            for role in sorted(roles):
                there = self._there.get((group.id, role, host_id))
                if there:
                    names = ", ".join(list(there.values())[:3])
                    who = "its VMs keep apart" if role == vm.role else f"it keeps apart from role {role}"
                    return Refusal(BESIDE, f"group {group.name}, role {vm.role}: {who}, and {names} is there")
        return None

    def _name(self, host_id: int) -> str:
        return self._hosts.get(host_id, f"host {host_id}")


def group_view(row: VmGroupRow) -> GroupView:
    """What the scheduler sees of a group."""
    return typed.convert({**row.body, "id": row.id, "name": row.name}, GroupView)


def groups(queries: Queries) -> tuple[GroupView, ...]:
    """All groups."""
    return tuple(group_view(row) for row in queries.select(VmGroupRow, '1=1 ORDER BY "id"'))


def members(queries: Queries, *, but: int = 0) -> tuple[Member, ...]:
    """All VMs of groups that have a place, but this one."""
    rows = queries.rows(
        'SELECT "m"."vm_id", "v"."name", "m"."group_id", "m"."role", "v"."host_id", "v"."target_host", "h"."state" '
        'FROM "vmgroup_member" "m" JOIN "vm" "v" ON "v"."id"="m"."vm_id" '
        'JOIN "host" "h" ON "h"."id"=CASE WHEN "v"."target_host">0 THEN "v"."target_host" ELSE "v"."host_id" END '
        'WHERE "v"."state"<>6 AND "v"."host_id">0 AND "m"."vm_id"<>? ORDER BY "m"."vm_id"',
        (but,),
    )
    return tuple(_member(*row) for row in rows)


def _member(vm_id: int, vm: str, group_id: int, role: str, host_id: int, target: int, state: int) -> Member:
    final = target if target > 0 else host_id
    return Member(
        vm_id=int(vm_id),
        vm=str(vm),
        group_id=int(group_id),
        role=str(role),
        hosts=tuple(sorted({host for host in (int(host_id), int(target)) if host > 0})),
        home=int(final) if state == HostState.MONITORED else 0,
    )

"""The snapshot, read from the engine's database at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from nebula.engine.lifecycle.states import HostState, VmState
from nebula.engine.machines.boot_images import boot_datastores
from nebula.engine.machines.hardware.needs import needs_of
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.machines.moving import arriving
from nebula.engine.scheduler.attributes import host_attributes, number_of, spaces
from nebula.engine.scheduler.cluster_rules import cluster_view
from nebula.engine.scheduler.groups import groups, members
from nebula.engine.scheduler.hardware import hardware_views, pins_vms, processor
from nebula.engine.scheduler.membership import membership_of
from nebula.engine.scheduler.policies import PRIORITY, UNMEASURED, policy_named
from nebula.engine.scheduler.space import needs, space_views
from nebula.engine.scheduler.values import ClusterSnapshot, ClusterView, HostView, Resident, VmView
from nebula.engine.scheduler.wishes import RANKS, REQUIREMENTS, names_company, wish
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError

USER_PRIORITY = "USER_PRIORITY"


Measured = Callable[[HostRow], tuple[float, float]]
"""Hundredths of a core and MiB in use on a host, -1: not known."""


def last_written(row: HostRow) -> tuple[float, float]:
    """What the monitor wrote last."""
    return row.cpu_used, row.memory_used


def load(
    queries: Queries,
    *,
    now: float = 0.0,
    only: VmRow | None = None,
    away_from: int = -1,
    host: int = 0,
    measured: Measured = last_written,
) -> ClusterSnapshot:
    """The VMs that wait (or only that one, looking for another host than `away_from`), and for them all hosts (or only
    `host`). Where none waits, nothing else is read. `measured` is asked about hosts where a policy goes by what they use.
    """
    if only is not None:
        machine = machine_of(only)
        pending: tuple[VmView, ...] = (_vm(only, machine, Reach(queries, machine), away_from),)
    else:
        pending = _pending(queries, now)
    if not pending:
        return ClusterSnapshot(hosts=(), pending=())
    return seen(queries, pending, but=only.id if only is not None else 0, host=host, measured=measured)


def seen(
    queries: Queries, pending: tuple[VmView, ...], *, but: int = 0, host: int = 0, measured: Measured = last_written
) -> ClusterSnapshot:
    """All hosts (or only `host`) as these VMs see them, and of groups all VMs `but` this one."""
    clusters = {row.id: row for row in queries.select(ClusterRow)}
    views = tuple(cluster_view(clusters[number]) for number in sorted(clusters))
    grouped = any(vm.group_id for vm in pending)
    return ClusterSnapshot(
        hosts=_Hosts(queries, clusters, views, pending, measured, but).views(host),
        pending=pending,
        clusters=views,
        holdings=_holdings(queries) if len({vm.owner for vm in pending}) > 1 else (),
        groups=groups(queries) if grouped else (),
        members=members(queries, but=but) if grouped else (),
        spaces=space_views(queries.select(DatastoreRow), arriving(queries)) if any(vm.space for vm in pending) else (),
        residents=_residents(queries, but) if any(view.reserve for view in views) else (),
    )


def _pending(queries: Queries, now: float) -> tuple[VmView, ...]:
    rows = queries.select(VmRow, '"state"=? AND "job_id"=0 ORDER BY "id"', (int(VmState.PENDING),))
    waiting = [(row, machine) for row in rows if (machine := machine_of(row)).not_before <= now]
    reach = Reach(queries) if waiting else None
    return tuple(_vm(row, machine, reach, -1) for row, machine in waiting if reach is not None)


class _Hosts:
    """Hosts as a plan for these VMs needs them: what costs is gathered only where something asks for it."""

    def __init__(
        self, queries: Queries, clusters: dict[int, ClusterRow], views: tuple[ClusterView, ...], pending: tuple[VmView, ...],
        measured: Measured, but: int,
    ) -> None:  # fmt: skip
        self._queries, self._clusters, self._measured, self._but = queries, clusters, measured, but
        ranks = any(view.policy == "custom" and view.rank for view in views)
        self._wished = ranks or any(vm.requirements or vm.rank for vm in pending)
        self._loads = "load-aware" in {*(view.policy for view in views), *(vm.policy for vm in pending)}
        self._company = any(names_company(vm.requirements) for vm in pending)
        self._needed = any(vm.needs for vm in pending)

    def views(self, only: int) -> tuple[HostView, ...]:
        """All of them, or one."""
        queries, used = self._queries, usage(self._queries, only)
        rows = queries.select(HostRow, '"id"=?', (only,)) if only else queries.select(HostRow, '1=1 ORDER BY "id"')
        plain = [self._plain(row, used.get(row.id, (0, 0, 0))) for row in rows]
        if self._loads:
            fresh = _unmeasured(queries)
            plain = [self._loaded(view, row, fresh.get(row.id, 0)) for view, row in zip(plain, rows, strict=True)]
        if self._needed:
            plain = self._with_hardware(plain, rows)
        if not self._wished:
            return tuple(plain)
        booked = _booked(queries) if self._company else {}
        space = spaces(queries.select(DatastoreRow))
        return tuple(
            msgspec.structs.replace(
                view,
                attributes=host_attributes(
                    row, self._clusters.get(row.cluster_id), used.get(row.id, (0, 0, 0)), booked.get(row.id, ()),
                    space.get(row.id, ()),
                ),
            )
            for view, row in zip(plain, rows, strict=True)
        )  # fmt: skip

    def _plain(self, row: HostRow, used: tuple[int, int, int]) -> HostView:
        return HostView(
            id=row.id,
            name=row.name,
            cluster_id=row.cluster_id,
            state=HostState(row.state).name,
            cpu_free=row.cpu_max - used[0],
            memory_free=row.memory_max - used[1],
            vms=used[2],
            error=row.error,
            cpu_max=row.cpu_max,
            memory_max=row.memory_max,
            cpu_total=row.cpu_total,
            memory_total=row.memory_total,
            priority=self._priority(row),
            pinned=pins_vms(row),
        )

    def _loaded(self, view: HostView, row: HostRow, fresh: int) -> HostView:
        cpu, memory = self._measured(row)
        return msgspec.structs.replace(view, cpu_used=cpu + UNMEASURED * fresh if cpu >= 0 else -1, memory_used=memory)

    def _with_hardware(self, plain: Sequence[HostView], rows: Sequence[HostRow]) -> list[HostView]:
        views = hardware_views(self._queries, rows, but=self._but)
        return [
            msgspec.structs.replace(view, hardware=views[row.id], **processor(row))
            for view, row in zip(plain, rows, strict=True)
        ]

    def _priority(self, row: HostRow) -> float:
        cluster = self._clusters.get(row.cluster_id)
        return number_of(row.body, PRIORITY, number_of(cluster.body, PRIORITY) if cluster else 0.0)


def _residents(queries: Queries, but: int) -> tuple[Resident, ...]:
    """All VMs on hosts, or on their way to them, but this one."""
    rows = queries.rows(
        'SELECT CASE WHEN "target_host">0 THEN "target_host" ELSE "host_id" END, "cpu", "memory" FROM "vm" '
        'WHERE "state"<>6 AND "host_id">0 AND "id"<>? ORDER BY "id"',
        (but,),
    )
    return tuple(Resident(int(host_id), int(cpu), int(memory)) for host_id, cpu, memory in rows)


def _unmeasured(queries: Queries) -> dict[int, int]:
    """Host id -> hundredths of a core of its VMs that nobody measured yet."""
    rows = queries.rows(
        'SELECT "host_id", SUM("cpu") FROM "vm" WHERE "state"<>6 AND "host_id">0 AND "cpu_used"<0 GROUP BY "host_id"'
    )
    return {int(host_id): int(cpu) for host_id, cpu in rows}


def _holdings(queries: Queries) -> tuple[tuple[str, int, int], ...]:
    """(owner, hundredths of a core, MiB) that owners have on hosts."""
    rows = queries.rows(
        'SELECT "owner", SUM("cpu"), SUM("memory") FROM "vm" WHERE "state"<>6 AND "host_id">0 GROUP BY "owner" ORDER BY "owner"'
    )
    return tuple((str(owner), int(cpu), int(memory)) for owner, cpu, memory in rows)


def _booked(queries: Queries) -> dict[int, tuple[int, ...]]:
    """Host id -> the VMs that have a place there, or are on their way to it."""
    found: dict[int, list[int]] = {}
    for column in ("host_id", "target_host"):
        sql = f'SELECT "id", "{column}" FROM "vm" WHERE "state"<>6 AND "{column}">0 ORDER BY "id"'
        for vm_id, host_id in queries.rows(sql):
            found.setdefault(int(host_id), []).append(int(vm_id))
    return {host_id: tuple(vms) for host_id, vms in found.items()}


def usage(queries: Queries, host: int = 0) -> dict[int, tuple[int, int, int]]:
    """Host id -> (hundredths of a core, MiB, VMs) promised, VMs on their way to it included; of one host or, 0, of all."""
    found: dict[int, tuple[int, int, int]] = {}
    for column in ("host_id", "target_host"):
        rows = queries.rows(
            f'SELECT "{column}", SUM("cpu"), SUM("memory"), COUNT(*) FROM "vm" '
            f'WHERE "state"<>6 AND "{column}"{"=" if host else ">"}? GROUP BY "{column}"',
            (host,),
        )
        for host_id, cpu, memory, vms in rows:
            before = found.get(host_id, (0, 0, 0))
            found[host_id] = (before[0] + int(cpu), before[1] + int(memory), before[2] + int(vms))
    return found


class Reach:
    """Which clusters datastores and networks are in, read once: all of them, or those that one machine uses."""

    def __init__(self, queries: Queries, machine: Machine | None = None) -> None:
        self._queries = queries
        self._bound = {
            "datastore": self._clusters("datastore", self._datastores(machine) if machine else None),
            "network": self._clusters("network", set(machine.network_ids) if machine else None),
        }
        self._homes: dict[int, set[int]] = {}
        if machine is None or any(disk.kind == "persistent" for disk in machine.disks):
            self._find_homes()

    def _datastores(self, machine: Machine) -> set[int]:
        """Those of its disks, and of what it boots from."""
        return {disk.datastore_id for disk in machine.disks} | boot_datastores(self._queries, machine.template)

    def _clusters(self, table: str, wanted: set[int] | None) -> dict[int, tuple[str, int]]:
        """Id -> (name, cluster) of those that are in one cluster only."""
        ids = sorted(wanted or ())
        if wanted is not None and not ids:
            return {}
        only = f' AND "id" IN ({", ".join("?" * len(ids))})' if ids else ""
        sql = f'SELECT "id", "name", "cluster_id" FROM "{table}" WHERE "cluster_id">0{only}'
        rows = self._queries.kept(table, sql, ids)
        return {int(number): (str(name), int(cluster)) for number, name, cluster in rows}

    def _find_homes(self) -> None:
        for image_id, host_id in self._queries.rows(
            'SELECT "image_copy"."image_id", "image_copy"."host_id" FROM "image_copy" '
            'JOIN "image" ON "image"."id"="image_copy"."image_id" WHERE "image"."persistent"=1 AND "image_copy"."host_id">0'
        ):
            self._homes.setdefault(int(image_id), set()).add(int(host_id))

    def homes(self, machine: Machine) -> frozenset[int]:
        """Hosts that have all persistent images of the machine that are not on shared storage; empty: it has none."""
        found = [
            self._homes[disk.image_id] for disk in machine.disks if disk.kind == "persistent" and disk.image_id in self._homes
        ]
        return frozenset(set.intersection(*found)) if found else frozenset()

    def of(self, machine: Machine, vm: VmRow) -> tuple[frozenset[int], tuple[str, ...], str]:
        """(clusters, what limits it in words, why it is impossible)."""
        limits: dict[str, int] = {}
        parts = [("datastore", number) for number in sorted(self._datastores(machine))] + [
            ("network", network_id) for network_id in machine.network_ids
        ]
        for noun, number in parts:
            if number in self._bound[noun]:
                name, cluster = self._bound[noun][number]
                limits[f"{noun} {name}"] = cluster
        if machine.template.get("CLUSTER") or machine.template.get("CLUSTER_ID"):
            limits["the cluster asked for"] = vm.cluster_id
        clusters = frozenset(limits.values())
        impossible = f"{', '.join(limits)} share no cluster" if len(clusters) > 1 else ""
        return clusters, tuple(limits), impossible


def placed_vms(queries: Queries, rows: Sequence[VmRow]) -> tuple[VmView, ...]:
    """VMs that have a place, as they would look for another one; their persistent images go with them."""
    reach = Reach(queries)
    return tuple(_placed(row, machine_of(row), reach) for row in rows)


def _placed(row: VmRow, machine: Machine, reach: Reach) -> VmView:
    view, space = _vm(row, machine, reach, -1), needs(machine, moving=True)
    return msgspec.structs.replace(view, homes=frozenset(), only_on=-1, space=space)


def around(queries: Queries, row: VmRow) -> ClusterSnapshot:
    """What the VM would find if it were placed now: for one that has a place, without itself, and within its cluster."""
    if row.host_id <= 0:
        return load(queries, only=row)
    view = placed_vms(queries, [row])[0]
    clusters, limit = frozenset({row.cluster_id}), "its CPU: a VM moves within its cluster"
    view = msgspec.structs.replace(view, clusters=clusters, limits=(*view.limits, limit))
    snapshot, taken = seen(queries, (view,), but=row.id), {row.host_id, row.target_host}
    hosts = tuple(_without(host, row) if host.id in taken else host for host in snapshot.hosts)
    return msgspec.structs.replace(snapshot, hosts=hosts)


def _without(host: HostView, row: VmRow) -> HostView:
    cpu, memory = host.cpu_free + row.cpu, host.memory_free + row.memory
    return msgspec.structs.replace(host, cpu_free=cpu, memory_free=memory, vms=host.vms - 1)


def _vm(row: VmRow, machine: Machine, reach: Reach, away_from: int) -> VmView:
    clusters, limits, impossible = reach.of(machine, row)
    kept = row.host_id < 0 <= row.kept_on
    if kept:
        clusters, limits = frozenset({row.cluster_id}), (*limits, "what is kept of it: a VM moves within its cluster")
    template = {**machine.template, "NAME": row.name}
    membership = membership_of(machine.template)
    return VmView(
        id=row.id,
        name=row.name,
        cpu=row.cpu,
        memory=row.memory,
        owner=row.owner,
        priority=number_of({"attributes": template}, USER_PRIORITY),
        clusters=clusters,
        limits=limits,
        impossible=impossible,
        homes=frozenset() if away_from > 0 or kept else reach.homes(machine),
        near=row.kept_on if kept and row.kept_on > 0 else -1,
        not_on=frozenset({away_from}) if away_from > 0 else frozenset(),
        only_on=machine.prefer_host if away_from < 0 else -1,
        requirements=wish(template, REQUIREMENTS),
        rank=wish(template, *RANKS),
        policy=_policy(template),
        space=() if kept and not row.kept_on else needs(machine, moving=away_from > 0 or kept),
        inside=row.cluster_id if row.host_id > 0 else 0,
        group_id=membership.group_id,
        role=membership.role,
        needs=needs_of(machine.template, row.vcpus, row.memory),
        waiting=machine.waiting,
    )


def _policy(template: Mapping[str, Any]) -> str:
    """The VM's own policy; none if it cannot be read."""
    try:
        return policy_named(template)
    except UsageError:
        return ""

"""The snapshot, read from the engine's database at one moment."""

from __future__ import annotations

from nebula.engine.lifecycle.states import HostState, VmState
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView
from nebula.engine.store.rows import DatastoreRow, HostRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Queries


def load(queries: Queries, *, now: float = 0.0, only: VmRow | None = None, away_from: int = -1) -> ClusterSnapshot:
    """All hosts, and the VMs that wait (or only that one, looking for another host than `away_from`)."""
    used = usage(queries)
    hosts = tuple(_host(row, used.get(row.id, (0, 0, 0))) for row in queries.select(HostRow, '1=1 ORDER BY "id"'))
    reach = Reach(queries)
    if only is not None:
        return ClusterSnapshot(hosts=hosts, pending=(_vm(only, machine_of(only), reach, away_from),))
    rows = queries.select(VmRow, '"state"=? AND "job_id"=0 ORDER BY "id"', (int(VmState.PENDING),))
    machines = ((row, machine_of(row)) for row in rows)
    pending = tuple(_vm(row, machine, reach, -1) for row, machine in machines if machine.not_before <= now)
    return ClusterSnapshot(hosts=hosts, pending=pending)


def usage(queries: Queries) -> dict[int, tuple[int, int, int]]:
    """Host id -> (hundredths of a core, MiB, VMs) promised, VMs on their way to it included."""
    found: dict[int, tuple[int, int, int]] = {}
    for column in ("host_id", "target_host"):
        rows = queries.rows(
            f'SELECT "{column}", SUM("cpu"), SUM("memory"), COUNT(*) FROM "vm" '
            f'WHERE "state"<>6 AND "{column}">0 GROUP BY "{column}"'
        )
        for host_id, cpu, memory, vms in rows:
            before = found.get(host_id, (0, 0, 0))
            found[host_id] = (before[0] + int(cpu), before[1] + int(memory), before[2] + int(vms))
    return found


class Reach:
    """Which clusters a datastore or a network is in, read once."""

    def __init__(self, queries: Queries) -> None:
        self.datastores = {row.id: row for row in queries.select(DatastoreRow)}
        self.networks = {row.id: row for row in queries.select(NetworkRow)}
        self._homes: dict[int, set[int]] = {}
        for image_id, host_id in queries.rows(
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
        for disk in machine.disks:
            datastore = self.datastores.get(disk.datastore_id)
            if datastore is not None and datastore.cluster_id > 0:
                limits[f"datastore {datastore.name}"] = datastore.cluster_id
        for nic in machine.nics:
            network = self.networks.get(nic.network_id)
            if network is not None and network.cluster_id > 0:
                limits[f"network {network.name}"] = network.cluster_id
        if machine.template.get("CLUSTER") or machine.template.get("CLUSTER_ID"):
            limits["the cluster asked for"] = vm.cluster_id
        clusters = frozenset(limits.values())
        impossible = f"{', '.join(limits)} share no cluster" if len(clusters) > 1 else ""
        return clusters, tuple(limits), impossible


def _host(row: HostRow, used: tuple[int, int, int]) -> HostView:
    return HostView(
        id=row.id,
        name=row.name,
        cluster_id=row.cluster_id,
        state=HostState(row.state).name,
        cpu_free=row.cpu_max - used[0],
        memory_free=row.memory_max - used[1],
        vms=used[2],
        error=row.error,
    )


def _vm(row: VmRow, machine: Machine, reach: Reach, away_from: int) -> VmView:
    clusters, limits, impossible = reach.of(machine, row)
    return VmView(
        id=row.id,
        name=row.name,
        cpu=row.cpu,
        memory=row.memory,
        clusters=clusters,
        limits=limits,
        impossible=impossible,
        homes=frozenset() if away_from > 0 else reach.homes(machine),
        not_on=frozenset({away_from}) if away_from > 0 else frozenset(),
        only_on=machine.prefer_host if away_from < 0 else -1,
    )

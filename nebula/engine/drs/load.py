"""A cluster's snapshot, read from the engine at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nebula.engine.drs.outlook import Outlook
from nebula.engine.drs.past import Past
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsHost, DrsSnapshot, Figures
from nebula.engine.drs.vms import VmViews, siblings
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.migration import copies_crash
from nebula.engine.scheduler.cluster_rules import reserves
from nebula.engine.scheduler.ties import Ties, ties
from nebula.engine.store.rows import ClusterRow, HostRow, VmRow
from nebula.engine.store.transaction import Queries

_LARGEST = 1e9
_MOST_POINTS, _MOST_WATTS = 101, 1e5


def load(
    queries: Queries,
    cluster: ClusterRow,
    policy: DrsPolicy,
    outlook: Outlook,
    now: float,
    *,
    shared: Collection[int],
    leave: Mapping[int, str] | None = None,
) -> DrsSnapshot:
    """The cluster now. `shared`: datastores (by id) that all hosts see; `leave`: hosts that must be emptied, and why."""
    hosts = queries.select(HostRow, '"cluster_id"=? ORDER BY "id"', (cluster.id,))
    inside = '"state"<>6 AND "host_id" IN (SELECT "id" FROM "host" WHERE "cluster_id"=?) ORDER BY "id"'
    vms = queries.select(VmRow, inside, (cluster.id,))
    expected = outlook.expected([vm.id for vm in vms], now)
    alike = siblings(vms, expected)
    bound = ties(queries, vms) if vms else Ties((), (), {})
    past = Past.read(queries)
    views = VmViews(
        queries, policy, now, expected=expected, alike=alike, allowed=bound.allowed, shared=shared,
        deadly={host.id: copies_crash(str((host.body.get("facts") or {}).get("hypervisor_version", ""))) for host in hosts},
        past=past.of_vms,
    )  # fmt: skip
    arriving = _arriving(queries)
    return DrsSnapshot(
        cluster_id=cluster.id,
        cluster=cluster.name,
        at=now,
        hosts=tuple(_host(host, (leave or {}).get(host.id, ""), arriving.get(host.id, (0, 0))) for host in hosts),
        vms=tuple(views.of(vm) for vm in vms),
        together=bound.together,
        apart=bound.apart,
        link_mib=past.link,
        reserve=reserves(cluster),
    )


def _arriving(queries: Queries) -> dict[int, tuple[int, int]]:
    """Host id -> (hundredths of a core, MiB) promised to VMs that are on their way there."""
    rows = queries.rows(
        'SELECT "target_host", SUM("cpu"), SUM("memory") FROM "vm" WHERE "state"<>6 AND "target_host">0 GROUP BY "target_host"'
    )
    return {int(host): (int(cpu), int(memory)) for host, cpu, memory in rows}


def _host(row: HostRow, leave: str, arriving: tuple[int, int]) -> DrsHost:
    return DrsHost(
        id=row.id,
        name=row.name,
        capacity=Figures(
            float(row.cpu_total), float(row.memory_total), _bandwidth(row, "DISK_BANDWIDTH"), _bandwidth(row, "NET_BANDWIDTH")
        ),
        cpu_max=row.cpu_max - arriving[0],
        memory_max=row.memory_max - arriving[1],
        takes=row.state == HostState.MONITORED,
        leave=leave,
        watts=_watts(row),
    )


def _watts(row: HostRow) -> tuple[float, ...]:
    """What a person said of the host's power, from idle to full: WATTS="95 120 160"; empty where that makes no sense."""
    words = str(row.body.get("attributes", {}).get("WATTS", "")).replace(",", " ").split()
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        return ()
    sensible = len(found) <= _MOST_POINTS and all(0 <= one <= _MOST_WATTS for one in found)
    return found if sensible and list(found) == sorted(found) else ()


def _bandwidth(row: HostRow, name: str) -> float:
    """MiB/s that a person said the host's disks or cards have; 0: not known, not balanced."""
    try:
        found = float(row.body.get("attributes", {}).get(name, 0))
    except (TypeError, ValueError):
        return 0.0
    return found if 0 < found < _LARGEST else 0.0

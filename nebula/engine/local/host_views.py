"""A host as people want it described: how it is, why, what is on it, what may be typed next."""

from __future__ import annotations

from typing import Any

from nebula.engine.api.values import Detail
from nebula.engine.lifecycle.states import HostState, place_name
from nebula.engine.store.rows import ClusterRow, HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries

_NEXT = {
    HostState.INIT: ("check", "remove"),
    HostState.MONITORED: ("disable", "evacuate", "offline", "update", "check"),
    HostState.ERROR: ("check", "enable", "offline", "remove --force"),
    HostState.DISABLED: ("enable", "evacuate", "offline", "remove"),
    HostState.OFFLINE: ("enable", "remove"),
}


def describe(queries: Queries, row: HostRow) -> Detail:
    """State and why, its VMs, its last job, and the verbs that make sense now."""
    state = HostState(row.state)
    vms = queries.select(VmRow, '"host_id"=? AND "state"<>6 ORDER BY "id"', (row.id,))
    cluster = queries.first(ClusterRow, '"id"=?', (row.cluster_id,))
    jobs = queries.select(JobRow, '"target_kind"=\'host\' AND "target_id"=? ORDER BY "id" DESC LIMIT 1', (row.id,))
    findings: list[dict[str, Any]] = row.body.get("findings", [])
    body: dict[str, Any] = {
        "state": state.name,
        "reason": row.error,
        "cluster": cluster.name if cluster else None,
        "monitored": row.monitored or None,
        "free": {
            "cpu": (row.cpu_max - sum(vm.cpu for vm in vms)) / 100,
            "memory_mib": row.memory_max - sum(vm.memory for vm in vms),
        },
        "vms": [f"{vm.name} ({vm.id}) {place_name(vm.state, vm.lcm_state)}" for vm in vms],
        "findings": [item for item in findings if item.get("level") in {"warning", "error"}],
        "last_job": _job(jobs[0]) if jobs else None,
        "allowed": list(_NEXT[state]),
    }
    return Detail(kind="host", id=row.id, name=row.name, body=body)


def _job(job: JobRow) -> dict[str, Any]:
    return {"id": job.id, "kind": job.kind, "state": job.state, "error": job.error}

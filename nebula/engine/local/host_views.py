"""A host as people want it described: how it is, why, what is on it, what may be typed next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nebula.cpusets import listed
from nebula.engine.api.values import Detail
from nebula.engine.lifecycle.names import place_name
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.held import Held
from nebula.engine.scheduler.hardware import hardware_views, held_by_host, pins_vms
from nebula.engine.scheduler.stock import HardwareView, offers
from nebula.engine.store.rows import ClusterRow, HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.model.host import NumaNode, PciDevice

CLASSES = {
    "01": "storage",
    "02": "network",
    "03": "display",
    "04": "multimedia",
    "05": "memory",
    "07": "communication",
    "08": "system",
    "0c": "bus",
    "0d": "wireless",
    "0b": "processor",
    "12": "accelerator",
}
"""The kinds of PCI devices, by the first two digits of their class."""
_NAMED = 8
"""VMs that are named in a line to type."""
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
        **({"what_to_do": _advice(row, vms)} if state is HostState.ERROR else {}),
        "cluster": cluster.name if cluster else None,
        "monitored": row.monitored or None,
        "free": {
            "cpu": (row.cpu_max - sum(vm.cpu for vm in vms)) / 100,
            "memory_mib": row.memory_max - sum(vm.memory for vm in vms),
        },
        **hardware(queries, row, {vm.id: vm.name for vm in vms}),
        "vms": [f"{vm.name} ({vm.id}) {place_name(vm.state, vm.lcm_state)}" for vm in vms],
        "findings": [item for item in findings if item.get("level") in {"warning", "error"}],
        "last_job": _job(jobs[0]) if jobs else None,
        "allowed": list(_NEXT[state]),
    }
    return Detail(kind="host", id=row.id, name=row.name, body=body)


def _advice(row: HostRow, vms: Sequence[VmRow]) -> str:
    """The next step while a host is in ERROR."""
    text = f"nebula doctor {row.name} says what is missing, nebula host check {row.name} looks anew"
    gone = f"nebula host remove {row.name} --force"
    if not vms:
        return f"{text}; if it is gone for good: {gone}"
    several = " ".join(str(vm.id) for vm in vms[:_NAMED]) + (" …" if len(vms) > _NAMED else "")
    return (
        f"{text}; when it answers, its VMs are looked up by themselves. Only if it is gone for good: {gone} "
        f"puts them on HOLD, and nebula vm release {several} starts them elsewhere, with new disks"
    )


def hardware(queries: Queries, row: HostRow, names: dict[int, str]) -> dict[str, Any]:
    """Its NUMA nodes and PCI devices, and who has what of them. `names`: VM id -> name."""
    view = hardware_views(queries, [row])[row.id]
    if view.hardware is None:
        return {}
    held = held_by_host(queries, host=row.id).get(row.id, {})
    owners = {address: names.get(vm_id, f"VM {vm_id}") for vm_id, own in held.items() for address in own.pci}
    taken = {cpu: vm_id for vm_id, own in held.items() for part in own.nodes for cpu in part.cpus}
    return {
        "pinned_vms_only": pins_vms(row),
        "numa": [_node(node, held.values(), set(taken)) for node in view.hardware.nodes],
        "pci": [_device(device, view, owners) for device in view.hardware.devices],
    }


def _node(node: NumaNode, held: Iterable[Held], taken: set[int]) -> dict[str, Any]:
    parts = [part for own in held for part in own.nodes if part.memory_node == node.id]
    cpus = [cpu for core in node.cores for cpu in core]
    return {
        "node": node.id,
        "cpus": listed(cpus),
        "cores": len(node.cores),
        "pinned": listed(taken.intersection(cpus)),
        "memory_mib": node.memory_mib,
        "huge_pages": [
            {
                "size_mib": pages.size_mib,
                "total": pages.total,
                "free": pages.free
                - sum(part.memory_mib // pages.size_mib for part in parts if part.page_mib == pages.size_mib),
            }
            for pages in node.pages
        ],
    }


def _device(device: PciDevice, view: HardwareView, owners: Mapping[str, str]) -> str:
    """One line: where, what, and who has it."""
    what = f"{device.address} {device.vendor}:{device.device} {CLASSES.get(device.class_[:2], 'device')} ({device.class_})"
    if device.address in owners:
        return f"{what}: {owners[device.address]} has it"
    if offers(view, device):
        return f"{what}: free"
    if device.group < 0:
        return f"{what}: no IOMMU, so no VM can have it"
    pattern = f"{device.vendor}:{device.device}"
    return f"{what}: the host's driver {device.driver} has it; to offer it: --set PCI_FILTER={pattern}"


def _job(job: JobRow) -> dict[str, Any]:
    return {"id": job.id, "kind": job.kind, "state": job.state, "error": job.error}

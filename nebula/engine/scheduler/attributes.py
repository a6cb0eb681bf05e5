"""What expressions see of hosts, datastores and networks: OpenNebula's names, from rows.

What people set on an object wins over what is known of it; a host's cluster comes last. What the scheduler itself counts
(RUNNING_VMS, CURRENT_VMS, CPU_USAGE, MEM_USAGE) cannot be set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from nebula.engine.lifecycle.states import HostState
from nebula.engine.scheduler.expressions import Value, custom
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, NetworkRow
from nebula.engine.store.rows.base import Body

_TYPES = {"image": 0, "system": 1, "file": 2}
_MODEL = re.compile(r"<model[^>]*>([^<]+)<")
_FEATURE = re.compile(r"<feature ([^>]*)>")
_NAME = re.compile(r"name=['\"]([^'\"]+)")


def set_by_people(body: Body) -> dict[str, Value]:
    """The attributes that people set on an object, given its row's body."""
    return custom(body.get("attributes") or {})


def number_of(body: Body, name: str, default: float = 0.0) -> float:
    """An attribute that people set, as a number; the default where there is none, or it is no number."""
    try:
        found = float(str((body.get("attributes") or {}).get(name, default)))
    except ValueError:
        return default
    return found if isfinite(found) else default


def host_attributes(
    row: HostRow, cluster: ClusterRow | None, used: tuple[int, int, int], booked: tuple[int, ...], space: tuple[int, ...]
) -> dict[str, Value]:
    """`used` and `booked`: what is promised there, and to which VMs; `space`: total, used and free MiB of its largest
    datastore directory, empty if not known.
    """
    found: dict[str, Value] = {
        **(set_by_people(cluster.body) if cluster else {}),
        **_facts(row.body.get("facts") or {}),
        **_capacity(row),
        **dict(zip(("MAX_DISK", "USED_DISK", "FREE_DISK"), space, strict=False)),
        "ID": row.id,
        "NAME": row.name,
        "STATE": int(HostState(row.state)),
        "CLUSTER_ID": row.cluster_id,
        "CLUSTER": cluster.name if cluster else "",
        "HYPERVISOR": row.virt,
        "VM_MAD": row.virt,
        **set_by_people(row.body),
        "RUNNING_VMS": used[2],
        "CURRENT_VMS": booked,
        "CPU_USAGE": used[0],
        "MEM_USAGE": used[1] << 10,
    }
    return {name: value for name, value in found.items() if value != ""}


def _facts(facts: Mapping[str, Any]) -> dict[str, Value]:
    model, features = _cpu(str(facts.get("cpu_xml", "")))
    return {
        "HOSTNAME": str(facts.get("hostname", "")),
        "ARCH": str(facts.get("arch", "")),
        "MODELNAME": str(facts.get("cpu_model", "")),
        "CPU_MODEL": model,
        "KVM_CPU_MODEL": model,
        "KVM_CPU_MODELS": tuple(map(str, facts.get("cpu_models") or ())),
        "KVM_CPU_FEATURES": tuple(map(str, facts.get("cpu_features") or features)),
        "MEMORY_ENCRYPTION": tuple(word.upper() for word in map(str, facts.get("memory_encryption") or ())),
        "KVM_MACHINES": tuple(map(str, facts.get("machines") or ())),
        "CPUSPEED": int(facts.get("cpu_mhz") or 0),
        "VERSION": str(facts.get("libvirt_version", "")),
    }


@lru_cache(256)
def _cpu(xml: str) -> tuple[str, tuple[str, ...]]:
    """(model, features) of a `<cpu>` element."""
    model = _MODEL.search(xml)
    tags = (tag for tag in _FEATURE.findall(xml) if "disable" not in tag and "forbid" not in tag)
    names = (name for tag in tags for name in _NAME.findall(tag))
    return model[1].strip() if model else "", tuple(sorted(names))


def _capacity(row: HostRow) -> dict[str, Value]:
    found: dict[str, Value] = {
        "TOTAL_CPU": row.cpu_total,
        "MAX_CPU": row.cpu_max,
        "RESERVED_CPU": row.cpu_total - row.cpu_max,
        "TOTAL_MEM": row.memory_total << 10,
        "MAX_MEM": row.memory_max << 10,
        "RESERVED_MEM": (row.memory_total - row.memory_max) << 10,
    }
    if row.cpu_used >= 0:
        found |= {"USED_CPU": row.cpu_used, "FREE_CPU": row.cpu_total - row.cpu_used}
    if row.memory_used >= 0:
        found |= {"USED_MEMORY": row.memory_used << 10, "FREE_MEMORY": (row.memory_total - row.memory_used) << 10}
    return found


def spaces(rows: Iterable[DatastoreRow]) -> dict[int, tuple[int, ...]]:
    """Host id -> total, used and free MiB of the largest datastore directory there."""
    found: dict[int, tuple[int, ...]] = {}
    for row in rows:
        for host_id, space in (row.body.get("space") or {}).items():
            if str(host_id).isdecimal() and tuple(space) > found.get(int(host_id), ()):
                found[int(host_id)] = tuple(int(part) for part in space)
    return found


def _clusters(row: DatastoreRow | NetworkRow, clusters: Mapping[int, ClusterRow]) -> dict[str, Value]:
    """An object without a cluster is in all of them."""
    if row.cluster_id <= 0:
        return {"CLUSTERS/ID": tuple(sorted(clusters))}
    named = clusters.get(row.cluster_id)
    return {"CLUSTERS/ID": (row.cluster_id,), "CLUSTER_ID": row.cluster_id, "CLUSTER": named.name if named else ""}


def datastore_attributes(row: DatastoreRow, clusters: Mapping[int, ClusterRow], *, shared: bool) -> dict[str, Value]:
    """`shared`: whether all hosts see the same files."""
    found: dict[str, Value] = {
        "ID": row.id,
        "NAME": row.name,
        "TYPE": _TYPES.get(row.type, -1),
        "STATE": row.state,
        "TM_MAD": row.driver,
        "DS_MAD": row.driver,
        "SHARED": "YES" if shared else "NO",
        **_clusters(row, clusters),
        **set_by_people(row.body),
    }
    if row.total_mib >= 0:
        found = {"TOTAL_MB": row.total_mib, "USED_MB": row.used_mib, "FREE_MB": row.free_mib, **found}
    return found


def network_attributes(row: NetworkRow, clusters: Mapping[int, ClusterRow], *, size: int) -> dict[str, Value]:
    """`size`: how many addresses its ranges have."""
    settings: Mapping[str, Any] = row.body.get("settings") or {}
    found: dict[str, Value] = {
        "ID": row.id,
        "NAME": row.name,
        "VN_MAD": row.driver,
        "BRIDGE": row.bridge,
        **_clusters(row, clusters),
        "USED_LEASES": row.used_leases,
        "FREE_LEASES": max(0, size - row.used_leases),
        "GATEWAY": str(settings.get("gateway") or ""),
        "PHYDEV": str(settings.get("physical_device") or ""),
        **set_by_people(row.body),
    }
    if settings.get("mtu"):
        found.setdefault("MTU", int(settings["mtu"]))
    if row.parent_id > 0:
        found["PARENT_NETWORK_ID"] = row.parent_id
    return {name: value for name, value in found.items() if value != ""}

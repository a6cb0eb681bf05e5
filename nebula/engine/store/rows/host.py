"""A host: where it is, what it has, how it is."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Versioned


class HostRow(Versioned, kw_only=True):
    """CPU in hundredths of a core, memory in MiB. `reserved_*` as typed: absolute, percent, negative for overcommit;
    `cpu_max`/`memory_max` are what the scheduler may promise after that. `transport`: local, ssh or sim.
    """

    _table: ClassVar[str] = "host"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True), (("cluster_id",), False))
    _long: ClassVar[frozenset[str]] = frozenset({"error"})

    name: str
    cluster_id: int
    state: int
    wanted: int = 0
    """State asked for by a person that a reachable host returns to: 2 MONITORED, 4 DISABLED or 8 OFFLINE."""
    driver: str = "libvirt"
    transport: str = "ssh"
    address: str = ""
    user: str = "root"
    port: int = 22
    virt: str = ""
    """kvm or qemu; empty until the preflight decided."""
    virt_asked: str = "auto"
    cpu_total: int = 0
    memory_total: int = 0
    cpu_max: int = 0
    memory_max: int = 0
    reserved_cpu: str = ""
    reserved_memory: str = ""
    cpu_used: int = -1
    """Measured; -1: not known."""
    memory_used: int = -1
    monitored: float = 0.0
    """When the last sample was taken, seconds since the epoch."""
    error: str = ""
    body: Body = msgspec.field(default_factory=dict)
    """host_keys, facts, peer_key, findings, attributes."""

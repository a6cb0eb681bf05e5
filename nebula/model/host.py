"""A host as it tells of itself, and the findings of a look at it."""

from __future__ import annotations

from typing import Literal

import msgspec


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is. Memory in MiB, CPU in hundredths of a core (100 = one core)."""

    hostname: str
    uuid: str
    arch: str
    cpu_total: int
    memory_total_mib: int
    cpu_model: str = ""
    """The processor's name for people."""
    cpu_mhz: int = 0
    cpu_xml: str = ""
    """The host CPU as `<cpu>` XML, for the cluster's baseline."""
    hypervisor_version: str = ""
    libvirt_version: str = ""
    machines: tuple[str, ...] = ()
    virt_types: tuple[str, ...] = ()
    """What libvirt advertises: kvm, qemu."""
    emulator: str = ""


class HostSample(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and gauges of a host at one moment. Times in seconds since boot of the host unless said."""

    taken: float
    """Wall clock of the engine, seconds since the epoch."""
    host_time: float = 0.0
    """Wall clock of the host, seconds since the epoch (for the clock finding); 0: not known."""
    cpu_busy: float = 0.0
    cpu_idle: float = 0.0
    cpu_steal: float = 0.0
    memory_total_mib: int = 0
    memory_free_mib: int = 0
    """MemAvailable."""
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    net_rx_bytes: int = 0
    net_tx_bytes: int = 0
    pressure_cpu: float = 0.0
    """PSI "some" total, seconds; 0 where the kernel has none."""
    pressure_memory: float = 0.0
    pressure_io: float = 0.0
    load1: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a look at a host found. `fix` is a command that mends it."""

    check: str
    level: Literal["ok", "note", "warning", "error"]
    text: str
    fix: str = ""

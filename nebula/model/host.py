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
    cpu_models: tuple[str, ...] = ()
    """libvirt's CPU models that guests may have here."""
    cpu_features: tuple[str, ...] = ()
    """All that the CPU can do, in libvirt's words; empty: not known."""
    memory_encryption: tuple[str, ...] = ()
    """sev, sev-es: how guests' memory can be encrypted."""
    uefi: bool = True
    """Whether there is a firmware for it, as far as is known."""
    tpm: bool = True
    """Whether TPMs can be emulated, as far as is known."""
    hypervisor_version: str = ""
    libvirt_version: str = ""
    machines: tuple[str, ...] = ()
    virt_types: tuple[str, ...] = ()
    """What libvirt advertises: kvm, qemu."""
    emulator: str = ""


class PageCount(msgspec.Struct, frozen=True, kw_only=True):
    """Huge pages of one size on one NUMA node."""

    size_mib: int
    total: int
    free: int


class NumaNode(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node. `cores`: the numbers of the CPUs of each of its cores; `distances`: to the nodes in order of their ids."""

    id: int
    cores: tuple[tuple[int, ...], ...]
    memory_mib: int
    pages: tuple[PageCount, ...] = ()
    distances: tuple[int, ...] = ()


class PciDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI device; numbers in hexadecimal digits, small: 0000:3b:00.0, 10de, 1db6, 0302."""

    address: str
    vendor: str
    device: str
    class_: str
    node: int = -1
    """Its NUMA node, -1: not known."""
    driver: str = ""
    """The host's driver that has it."""
    group: int = -1
    """Its IOMMU group, all of which a guest gets; -1: there is no IOMMU, so no guest can have it."""


class DeviceAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An IPv4 address that a network device of the host has."""

    device: str
    address: str


class HostHardware(msgspec.Struct, frozen=True, kw_only=True):
    """What can be given to a VM for itself, and where the host is reached. PCI bridges are left out of the devices."""

    nodes: tuple[NumaNode, ...] = ()
    devices: tuple[PciDevice, ...] = ()
    addresses: tuple[DeviceAddress, ...] = ()
    """Global ones, in the kernel's order, without those of bridges and tunnels of ours."""


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
    hardware: HostHardware | None = None
    """Where it was asked for."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a look at a host found. `fix` is a command that mends it."""

    check: str
    level: Literal["ok", "note", "warning", "error"]
    text: str
    fix: str = ""

"""A virtual machine as a host is told of it (DomainSpec), and as a host tells of it (DomainReality)."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec


class DomainDisk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk. `path` is the file (or device) on the host; `target` the name in the guest (vda, sda, hda)."""

    disk_id: int
    path: str
    target: str
    bus: str = "virtio"
    format: Literal["qcow2", "raw"] = "qcow2"
    device: Literal["disk", "cdrom"] = "disk"
    readonly: bool = False
    shareable: bool = False
    cache: str = "none"
    discard: str = "unmap"
    io: str = ""
    serial: str = ""
    boot_order: int = 0
    """0: no place in the boot order."""


class DomainInterface(msgspec.Struct, frozen=True, kw_only=True):
    """One network card. `tap` is the device's name on the host: `one-VMID-NICID`."""

    nic_id: int
    mac: str
    bridge: str
    tap: str
    model: str = "virtio"
    mtu: int = 0
    """0: the bridge's."""
    boot_order: int = 0


class DomainGraphics(msgspec.Struct, frozen=True, kw_only=True):
    """A graphical console; `port` -1 lets libvirt choose."""

    type: Literal["vnc", "spice"] = "vnc"
    listen: str = "127.0.0.1"
    port: int = -1
    password: str = ""
    keymap: str = ""


class DomainSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a hypervisor driver needs to make a domain. Memory in MiB; `cpu_share` in hundredths of a core."""

    vm_id: int
    uuid: str
    name: str
    """The domain's name on the host: `one-VMID`."""
    title: str
    """The VM's own name, for people who look with virsh."""
    memory_mib: int
    vcpus: int
    cpu_share: int
    virt: Literal["kvm", "qemu"] = "kvm"
    arch: str = "x86_64"
    machine: str = "q35"
    emulator: str = ""
    cpu_xml: str = ""
    """A `<cpu>` element made by the driver's `baseline`; empty: `cpu_mode` decides."""
    cpu_mode: str = ""
    """host-passthrough, host-model, a model's name, or empty for the driver's default of this virtualisation type."""
    disks: tuple[DomainDisk, ...] = ()
    interfaces: tuple[DomainInterface, ...] = ()
    graphics: DomainGraphics | None = None
    firmware: Literal["bios", "uefi"] = "bios"
    boot: tuple[str, ...] = ()
    kernel: str = ""
    initrd: str = ""
    kernel_cmd: str = ""
    guest_agent: bool = True
    serial_log: str = ""
    """A path on the host to which the serial console is also written; empty: none."""


class DomainState(enum.StrEnum):
    """What libvirt's virDomainState comes to, for us."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    """On its way down."""
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    """Suspended by the guest (pmsuspended)."""


class DomainReality(msgspec.Struct, frozen=True, kw_only=True):
    """A domain as a host has it. `reason` is libvirt's reason in words with underscores (`booted`, `user`, `crashed`,
    `io_error`, `destroyed`, `migrated`, `saved`, `failed`, `unknown` …).
    """

    uuid: str
    name: str
    state: DomainState
    reason: str
    persistent: bool = True
    vm_id: int | None = None
    """From our metadata element; None where we did not make the domain."""
    incoming: bool = False
    """Paused because a migration into this host is (or was) under way."""


class DomainStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of a running domain. Times in nanoseconds since the domain's start, memory in KiB, sizes in bytes."""

    uuid: str
    state: DomainState
    reason: str
    cpu_time_ns: int = 0
    vcpus: int = 0
    memory_used_kib: int = 0
    """Resident memory of the QEMU process."""
    memory_max_kib: int = 0
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    disk_read_requests: int = 0
    disk_write_requests: int = 0
    disk_errors: int = 0
    net_rx_bytes: int = 0
    net_tx_bytes: int = 0


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Pushed by a host: a domain changed. `kind`: started, stopped, suspended, resumed, defined, undefined, crashed,
    shutdown, io_error; `reason` as in DomainReality; `detail` for an I/O error: the disk's path and libvirt's words.
    """

    host: str
    uuid: str
    kind: str
    reason: str
    detail: str = ""

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
    iothread: int = 0
    """The domain's I/O thread that serves it, from 1; 0: the main loop."""
    queues: int = 0
    """0: the hypervisor's choice."""
    limits: tuple[tuple[str, int], ...] = ()
    """libvirt's names of throttles (`total_bytes_sec` …) with their values."""
    serial: str = ""
    boot_order: int = 0
    """0: no place in the boot order."""


class DomainBandwidth(msgspec.Struct, frozen=True, kw_only=True):
    """KiB/s; `burst` in KiB may go at the peak rate. 0: not limited."""

    average: int = 0
    peak: int = 0
    burst: int = 0


class DomainInterface(msgspec.Struct, frozen=True, kw_only=True):
    """One network card. `tap` is the device's name on the host: `one-VMID-NICID`."""

    nic_id: int
    mac: str
    bridge: str = ""
    tap: str = ""
    address: str = ""
    """Of a virtual function that the guest is given (0000:3b:10.2); it has no bridge and no tap."""
    vlan_id: int = 0
    """0: what the guest sends goes as it is."""
    open_vswitch: bool = False
    """The bridge is one of Open vSwitch."""
    model: str = "virtio"
    mtu: int = 0
    """0: the bridge's."""
    queues: int = 0
    filter: str = ""
    """A filter of libvirt's own (nwfilter) on the host; empty: none."""
    inbound: DomainBandwidth | None = None
    outbound: DomainBandwidth | None = None
    """As the guest sees it: what it receives, and what it sends."""
    boot_order: int = 0


class DomainGraphics(msgspec.Struct, frozen=True, kw_only=True):
    """A graphical console; `port` -1 lets libvirt choose."""

    type: Literal["vnc", "spice"] = "vnc"
    listen: str = "127.0.0.1"
    port: int = -1
    password: str = ""
    keymap: str = ""


class DomainVideo(msgspec.Struct, frozen=True, kw_only=True):
    """A graphics card. `vram_kib` 0 and empty resolution: the model's own."""

    model: str = "vga"
    vram_kib: int = 0
    resolution: tuple[int, int] | None = None
    iommu: bool | None = None
    ats: bool | None = None


class DomainInput(msgspec.Struct, frozen=True, kw_only=True):
    """A pointer or a keyboard."""

    type: str = "tablet"
    bus: str = "usb"


class DomainTpm(msgspec.Struct, frozen=True, kw_only=True):
    """A trusted platform module, version 2.0, emulated by the host's swtpm."""

    model: str = "tpm-crb"


class DomainRandom(msgspec.Struct, frozen=True, kw_only=True):
    """Randomness from a device of the host; `bytes` a `period` (milliseconds) at most, 0: unlimited."""

    source: str = "/dev/urandom"
    bytes: int = 0
    period: int = 0


class DomainWatchdog(msgspec.Struct, frozen=True, kw_only=True):
    """What happens (`action`) to a guest that stops feeding the device."""

    model: str = "i6300esb"
    action: str = "reset"


class DomainTopology(msgspec.Struct, frozen=True, kw_only=True):
    """How the guest's vCPUs are arranged; the product is their number."""

    sockets: int
    cores: int
    threads: int


class DomainCell(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node of the guest. `host_node` is the host's node that its memory comes from, -1: any."""

    cpus: tuple[int, int]
    """The first and the last of its vCPUs."""
    memory_mib: int
    host_node: int = -1


class DomainHostDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI device of the host, by its address there: 0000:3b:00.0."""

    address: str


class DomainFirmware(msgspec.Struct, frozen=True, kw_only=True):
    """UEFI. `loader`: a firmware's file on the host, empty: libvirt finds one. `nvram`: where its variables are kept."""

    secure_boot: bool = False
    loader: str = ""
    nvram: str = ""


class DomainFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """Features of the machine."""

    acpi: bool = True
    apic: bool = True
    pae: bool = False
    hyperv: bool = False
    hyperv_xml: str = ""
    """What `<hyperv>` holds instead of the driver's own choice."""
    timers_xml: str = ""
    """Timers that take the place of the driver's own, where `hyperv` is set."""
    local_time: bool = False
    pci_hole_kib: int = 0
    """Room for 64-bit addresses of PCI devices; 0: the firmware's choice."""


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
    video: DomainVideo | None = None
    """None: the driver's choice."""
    inputs: tuple[DomainInput, ...] = ()
    """Beside the tablet that every domain with a screen has."""
    sounds: tuple[str, ...] = ()
    tpm: DomainTpm | None = None
    random: DomainRandom = DomainRandom()
    watchdog: DomainWatchdog | None = None
    host_devices: tuple[DomainHostDevice, ...] = ()
    vcpus_max: int = 0
    """As many can be plugged in; 0: `vcpus`."""
    memory_max_mib: int = 0
    """As much can be plugged in or, with `memory_balloon`, be let out of the balloon; 0: `memory_mib`."""
    memory_slots: int = 0
    memory_balloon: bool = False
    memory_limit_mib: int = 0
    """What QEMU itself may use, at most; 0: unlimited."""
    huge_page_mib: int = 0
    """The size of the pages that back its memory; 0: ordinary ones."""
    memory_shared: bool = False
    """Other processes of the host may map its memory."""
    memory_encryption: Literal["", "sev", "sev-es"] = ""
    cpu_features: tuple[str, ...] = ()
    """Names; with a `-` before it: taken away."""
    topology: DomainTopology | None = None
    cells: tuple[DomainCell, ...] = ()
    host_nodes: tuple[int, ...] = ()
    """The host's NUMA nodes that its memory comes from, where it has no `cells`; empty: all."""
    pins: tuple[str, ...] = ()
    """The host's CPUs that each vCPU may run on, as libvirt writes sets (`4-7,12`); empty: all."""
    emulator_cpus: str = ""
    """The same for QEMU's own threads."""
    io_threads: int = 0
    scsi_queues: int = 0
    scsi_iothread: int = 0
    features: DomainFeatures = DomainFeatures()
    uefi: DomainFirmware | None = None
    """None: BIOS."""
    raw_xml: str = ""
    """Elements that are put into the definition as they are."""
    raw_validate: bool = False
    spice_xml: str = ""
    """Devices that are added where the console is SPICE."""
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
    saved: bool = False
    """Off, and the host keeps its memory: started, it goes on from there."""


class DomainStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of a running domain. Times in nanoseconds since the domain's start, memory in KiB, sizes in bytes."""

    uuid: str
    state: DomainState
    reason: str
    cpu_time_ns: int = 0
    cpu_wait_ns: int = 0
    """Time that its vCPUs wanted to run and the host had no CPU for them."""
    vcpus: int = 0
    memory_used_kib: int = 0
    """Resident memory of the QEMU process."""
    memory_max_kib: int = 0
    balloon_kib: int = 0
    """What the balloon leaves to the guest; 0: not known."""
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    disk_read_requests: int = 0
    disk_write_requests: int = 0
    disk_time_ns: int = 0
    """Time that its requests took, all together."""
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

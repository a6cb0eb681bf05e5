"""Every attribute of a VM's template that OpenNebula knows (and some of libvirt's that it does not), by its block.

`done`: it does what it says. `refused`: a template that has it is refused, as leaving it out in silence would mislead.
`kept`: it stays in the template, and nothing reads it. `none`: it means nothing here. docs/template.md is made of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from nebula.engine.machines.hardware import kinds
from nebula.engine.machines.hardware.kinds import Kind, anything, auto_or, mib, one_of, path, text, whole, yes

Status = Literal["done", "refused", "kept", "none"]
MAX_VCPUS = 4096
MAX_MEMORY_MIB = 64 * 1024 * 1024
_COUNT = 2**53
_RATE = 2**31


class Attribute(NamedTuple):
    """`kind` says what is right; `note` why it is refused or what is special here."""

    name: str
    kind: Kind = anything
    status: Status = "done"
    note: str = ""


def _kept(note: str, *names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, status="kept", note=note) for name in names)


def _none(note: str, *names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, status="none", note=note) for name in names)


def _elsewhere(*names: str, note: str = "") -> tuple[Attribute, ...]:
    """Done, and read where it belongs: not by this package."""
    return tuple(Attribute(name, note=note) for name in names)


THROTTLES = tuple(
    f"{way}_{what}_SEC{more}"
    for what in ("BYTES", "IOPS")
    for way in ("TOTAL", "READ", "WRITE")
    for more in ("", "_MAX", "_MAX_LENGTH")
)
_UUID = kinds.matching(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a UUID", "5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07")
_WORD = kinds.matching(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", "one word", "WORD")
_HEX = kinds.matching(r"(0x)?[0-9a-fA-F]{4}", "four hexadecimal digits", "10de")
_BACKUPS = "OpenNebula's core notes it; ours is in `backup list`"
_CORE = "set by OpenNebula's core; ours are in the VM's disks and cards"
_CACHE = "none without it; with one of the host's own, disks on shared storage bar live migrations"
_GUACAMOLE = "for a web front that we do not have"
_ROUTER = "marks OpenNebula's virtual routers; here a VM with a card in each network routes"
_ENCRYPTED = "each host would have to be given the key: encrypt within the guest, or what the datastore lies on"
_FOLDER = "a host's folder is on no other host: NFS in the guest, or RAW/DATA with a filesystem and MEMORY_ACCESS shared"

_METRIC = 999_999_999

CAPACITY = (
    *_elsewhere("NAME", "CPU", "MEMORY", "VCPU"),
    Attribute("VCPU_MAX", whole(1, MAX_VCPUS), note="vCPUs that may be plugged in"),
    Attribute("MEMORY_MAX", mib(MAX_MEMORY_MIB)),
    Attribute("MEMORY_SLOTS", whole(1, 255), note="16 without it"),
    Attribute("MEMORY_RESIZE_MODE", one_of("hotplug", "ballooning")),
    *_kept(
        "prices; metrics say what VMs use, and nothing is charged for it",
        "CPU_COST",
        "MEMORY_COST",
        "DISK_COST",
        "MEMORY_UNIT_COST",
    ),
)
DISK = (
    *_elsewhere("IMAGE", "IMAGE_ID", "SIZE", "TYPE", "FORMAT", "FS"),
    *_none("images are found by name or id alone", "IMAGE_UID", "IMAGE_UNAME"),
    Attribute("DRIVER", one_of("qcow2", "raw"), note="another name of FORMAT"),
    Attribute("DEV_PREFIX", one_of("vd", "sd", "hd"), note="the bus; hd is SATA on q35. xvd is Xen's and refused"),
    Attribute("TARGET", kinds.matching(r"(vd|sd|hd)[a-z]{1,3}", "a disk's name in the guest", "vda")),
    Attribute("CACHE", one_of("none", "writethrough", "writeback", "unsafe", "directsync", "default"), note=_CACHE),
    Attribute("READONLY", yes),
    Attribute("IO", one_of("native", "threads", "io_uring"), note="native needs CACHE none or directsync"),
    Attribute("DISCARD", one_of("unmap", "ignore")),
    Attribute("IOTHREAD", whole(1, 64), note="one of FEATURES/IOTHREADS"),
    Attribute("VIRTIO_BLK_QUEUES", auto_or(whole(1, 256))),
    Attribute("SHAREABLE", yes, note="needs FORMAT raw"),
    Attribute("SERIAL", kinds.matching(r"[A-Za-z0-9_.+ -]{1,20}", "at most 20 letters, digits and _.+-", "disk-1")),
    *(Attribute(name, whole(0, _COUNT)) for name in THROTTLES),
    Attribute("SIZE_IOPS_SEC", whole(0, _COUNT)),
    Attribute("LUKS_SECRET", status="refused", note=_ENCRYPTED),
    *(Attribute(name, status="refused", note=_FOLDER) for name in ("MOUNT_TAG", "MOUNT_POINT")),
    *_none("storage drivers decide", "TM_MAD_SYSTEM", "ALLOW_ORPHANS", "PERSISTENT_SNAPSHOTS", "OPENNEBULA_MANAGED"),
    *_none("of OpenNebula's former vCenter driver", "VCENTER_ADAPTER_TYPE", "VCENTER_DISK_TYPE", "VCENTER_DS_REF"),
    Attribute("RECOVERY_SNAPSHOT_FREQ", status="kept", note="no disk is replicated; SCHED_ACTION makes backups as often"),
    *_none(
        _CORE,
        *("DISK_ID", "CLONE", "CLONE_TARGET", "LN_TARGET", "SOURCE", "TM_MAD", "DATASTORE", "DATASTORE_ID", "DISK_TYPE"),
        *("ORIGINAL_SIZE", "DISK_SNAPSHOT_TOTAL_SIZE", "ATTACH", "SAVE", "IMAGE_STATE", "CLUSTER_ID", "LVM_THIN_ENABLE"),
        *("QCOW2_STANDALONE", "SPARSE", "CEPH_HOST", "CEPH_SECRET", "CEPH_USER", "CEPH_CONF", "POOL_NAME", "RBD_FORMAT"),
        *("ISCSI_HOST", "ISCSI_USER", "ISCSI_USAGE", "ISCSI_IQN", "NFS_AUTO_ENABLE", "NFS_AUTO_HOST", "NFS_AUTO_PATH"),
        "NFS_AUTO_OPTS",
    ),
)
_BANDWIDTH = tuple(
    Attribute(f"{way}_{what}", whole(1, _RATE, unit="KiB/s" if what.endswith("BW") else "KiB"))
    for way in ("INBOUND", "OUTBOUND")
    for what in ("AVG_BW", "PEAK_BW", "PEAK_KB")
)
_FOR_THE_GUEST = (
    *_elsewhere(
        *("MTU", "GATEWAY", "GATEWAY6", "IP6_GATEWAY", "DNS", "SEARCH_DOMAIN", "NETWORK_MASK", "IP6_PREFIX_LENGTH", "ROUTES"),
        note="for the guest; the network says it where the card does not",
    ),
    Attribute("METRIC", whole(0, _METRIC), note="for the guest"),
    Attribute("IP6_METRIC", whole(0, _METRIC), note="for the guest"),
    Attribute("METHOD", one_of("static", "dhcp", "skip"), note="for the guest"),
    Attribute("IP6_METHOD", one_of("static", "auto", "dhcp", "disable", "skip"), note="for the guest"),
)
NIC = (
    *_elsewhere("NETWORK", "NETWORK_ID", "NETWORK_MODE", "SCHED_REQUIREMENTS", "SCHED_RANK", "IP", "IP6", "MAC"),
    *_none("networks are found by name or id alone", "NETWORK_UID", "NETWORK_UNAME"),
    Attribute("MODEL", one_of("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "ne2k_pci", "pcnet", "igb", "i82559er")),
    Attribute("VIRTIO_QUEUES", auto_or(whole(1, 256))),
    Attribute("FILTER", _WORD, note="a libvirt filter that is on the host"),
    Attribute("GUEST_MTU", whole(68, 65535), note="MTU of the network without it"),
    *_BANDWIDTH,
    Attribute("SCRIPT", status="refused", note="libvirt runs none for cards on a bridge"),
    Attribute("TARGET", status="refused", note="taps are named one-VM-CARD, by which they are found and cleaned up"),
    Attribute("NAME", _WORD, note="by which aliases and commands know it; NIC0, NIC1 … without it"),
    *_elsewhere("SECURITY_GROUPS", note="beside those of the network"),
    Attribute("EXTERNAL", yes, note="told to the guest"),
    *_none("NIC_ALIAS has it", "PARENT"),
    *_none("the network says it", "VLAN_ID", "VLAN_TAGGED_ID", "OUTER_VLAN_ID", "BRIDGE", "VN_MAD"),
    *_FOR_THE_GUEST,
    *_none(_GUACAMOLE, "RDP", "SSH"),
    *_kept(_ROUTER, "FLOATING_IP", "FLOATING_ONLY", "VROUTER_MANAGEMENT"),
)
NIC_ALIAS = (
    *_elsewhere("NETWORK", "NETWORK_ID", "IP", "IP6", "MAC", note="it has a lease of its own"),
    *_none("networks are found by name or id alone", "NETWORK_UID", "NETWORK_UNAME"),
    *_elsewhere("PARENT", note="the card's NAME, number or MAC address"),
    Attribute("NAME", _WORD, note="NIC0_ALIAS0, NIC0_ALIAS1 … without it"),
    Attribute("EXTERNAL", yes, note="others lead the address to the card: guests leave it alone"),
    *_FOR_THE_GUEST,
    Attribute("SECURITY_GROUPS", status="refused", note="those of its card hold for it"),
    *_none("its card's", "MODEL", "VIRTIO_QUEUES", "FILTER", "GUEST_MTU", *(one.name for one in _BANDWIDTH)),
    *_none("set by OpenNebula's core; vm show has what they are here", "NIC_ID", "ALIAS_ID", "PARENT_ID", "ALIAS_IDS"),
)
GRAPHICS = (
    Attribute(
        "TYPE", one_of("vnc", "spice", "none"), note="none: no screen at all. sdl draws on the host's own and is refused"
    ),
    Attribute("LISTEN", kinds.matching(r"[0-9a-fA-F:.]{2,45}", "an IP address", "127.0.0.1"), note="127.0.0.1 without it"),
    Attribute("PORT", whole(-1, 65535), note="without it, or -1, libvirt's choice"),
    Attribute("PASSWD", text(59), note="at most 8 characters for VNC"),
    Attribute("RANDOM_PASSWD", yes),
    Attribute("KEYMAP", kinds.matching(r"[a-z]{2,3}(-[a-z]{2,3})?", "a keyboard's name", "de")),
    *_none("of a former version", "COMMAND"),
)
VIDEO = (
    Attribute("TYPE", one_of("auto", "vga", "virtio", "qxl", "cirrus", "bochs", "none"), note="auto: vga"),
    Attribute("VRAM", whole(1024, 2**20, unit="KiB")),
    Attribute(
        "RESOLUTION", kinds.matching(r"[0-9]{2,5}x[0-9]{2,5}", "WIDTHxHEIGHT", "1280x720"), note="virtio, vga, qxl, bochs"
    ),
    Attribute("IOMMU", yes, note="virtio only"),
    Attribute("ATS", yes, note="virtio only"),
)
INPUT = (
    Attribute("TYPE", one_of("tablet", "mouse", "keyboard")),
    Attribute("BUS", one_of("usb", "ps2", "virtio")),
)
OS = (
    Attribute(
        "ARCH",
        one_of("x86_64", "i686", amd64="x86_64"),
        note="machines, firmware and CPUs that templates are given are those of x86",
    ),
    Attribute("MACHINE", _WORD, note="q35 without it"),
    Attribute("KERNEL", path, note="a file on the host"),
    Attribute("INITRD", path, note="a file on the host"),
    Attribute("KERNEL_DS", kinds.file, note="an image of type kernel, which the host is given"),
    Attribute("INITRD_DS", kinds.file, note="an image of type ramdisk, which the host is given"),
    Attribute("ROOT", text(64), note="becomes root=/dev/… of the kernel's command line"),
    Attribute("KERNEL_CMD", text(2048)),
    Attribute("BOOTLOADER", status="refused", note="QEMU has none outside of the guest"),
    Attribute("BOOT", kinds.matching(r"(disk|nic)[0-9]+( *, *(disk|nic)[0-9]+)*", "disks and cards", "disk0,nic0")),
    Attribute("SD_DISK_BUS", one_of("scsi", "sata"), note="the bus of sd disks; scsi is virtio-scsi"),
    Attribute("UUID", _UUID, note="the domain's; no other VM may have it"),
    Attribute("FIRMWARE", kinds.firmware, note="BIOS, UEFI (libvirt finds one), or a firmware's path on the host"),
    Attribute("FIRMWARE_SECURE", yes, note="secure boot: UEFI on q35"),
    Attribute("FIRMWARE_FORMAT", one_of("raw"), note="raw only: libvirt before 9.2 knows no other"),
)
FEATURES = (
    Attribute("PAE", yes),
    Attribute("ACPI", yes),
    Attribute("APIC", yes),
    Attribute("LOCALTIME", yes),
    Attribute("HYPERV", yes, note="enlightenments for Windows"),
    Attribute("GUEST_AGENT", yes, note="YES without it"),
    Attribute("VIRTIO_SCSI_QUEUES", auto_or(whole(1, 256))),
    Attribute("VIRTIO_BLK_QUEUES", auto_or(whole(1, 256)), note="for all virtio disks"),
    Attribute(
        "IOTHREADS", whole(1, 64), note="virtio disks take turns; QEMU 7.0 to 8.1 takes no such disk live from another host"
    ),
    *(Attribute(name, status="refused", note="ARM's, and guests here are x86") for name in ("GIC", "RAS")),
    Attribute("PCIHOLE64", whole(1, 2**40, unit="KiB")),
    Attribute(
        "MIGRATE_AUTO_CONVERGE",
        kinds.matching(r"[1-9][0-9]?( *, *[1-9][0-9]?)?", "INITIAL or INITIAL,INCREMENT, in percent", "20,10"),
        note="guests that write too fast are slowed down without it, too",
    ),
    Attribute("MIGRATE_COMPRESSED", kinds.compression, note="YES or XBZRLE"),
)
CPU_MODEL = (
    Attribute("MODEL", _WORD, note="host-passthrough, host-model, maximum, or a model that libvirt has on the host"),
    Attribute(
        "FEATURES", kinds.matching(r"[+-]?[A-Za-z0-9_.-]+( *, *[+-]?[A-Za-z0-9_.-]+)*", "names of CPU features", "aes,-svm"),
        note="with a - before it: taken away",
    ),
)  # fmt: skip
TOPOLOGY = (
    Attribute("PIN_POLICY", one_of("none", "core", "thread", "shared"), note="on hosts with PIN_POLICY=PINNED only"),
    Attribute("NODE_AFFINITY", whole(0, 1023), note="the host's NUMA node"),
    Attribute("SOCKETS", whole(1, MAX_VCPUS)),
    Attribute("CORES", whole(1, MAX_VCPUS)),
    Attribute("THREADS", whole(1, 8)),
    Attribute("HUGEPAGE_SIZE", mib(16384), note="MiB, as the host has them: 2 or 1024"),
    Attribute("MEMORY_ACCESS", one_of("private", "shared")),
)
NUMA_NODE = (
    Attribute("TOTAL_CPUS", whole(1, MAX_VCPUS), note="vCPUs of a node of the guest"),
    Attribute("MEMORY", mib(MAX_MEMORY_MIB)),
    *_none(
        "set by OpenNebula's core; vm show has what the host gave",
        *("CPUS", "NODE_ID", "MEMORY_NODE_ID", "DISTANCE"),
    ),
)
_VIRTUAL_FUNCTION = "with TYPE NIC: the card's lease, whose MAC address and VLAN libvirt gives the function"
_UNTRUSTED = "libvirt leaves it to the host: ip link set CARD vf NUMBER trust on, spoofchk off"
_MEDIATED = "slices of a device are not booked: make one on a host, and name that HOST and RAW/DATA with a hostdev of type mdev"
PCI = (
    Attribute("VENDOR", _HEX),
    Attribute("DEVICE", _HEX),
    Attribute("CLASS", _HEX),
    Attribute(
        "SHORT_ADDRESS", kinds.matching(r"([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", "a PCI address", "3b:00.0")
    ),
    *(Attribute(name, status="refused", note=_MEDIATED) for name in ("PROFILE", "MDEV_MODE", "UUID")),
    *_none("libvirt chooses how QEMU gets at the device", "IOMMUFD"),
    Attribute("TYPE", one_of("nic"), note="a virtual function (SR-IOV) of a card of the host, as a card of a network"),
    *_elsewhere("NETWORK", "NETWORK_ID", "IP", "IP6", "MAC", note=_VIRTUAL_FUNCTION),
    Attribute("NAME", _WORD, note="PCI0, PCI1 … without it"),
    *_none("networks are found by name or id alone", "NETWORK_UID", "NETWORK_UNAME"),
    *_FOR_THE_GUEST,
    *(Attribute(name, status="refused", note=_UNTRUSTED) for name in ("TRUST", "SPOOFCHK")),
    Attribute("SECURITY_GROUPS", status="refused", note="nothing of the host's sees what the guest sends: rules on the switch"),
    *_none(
        "set by OpenNebula's core; vm show has what the host gave",
        *("PCI_ID", "ADDRESS", "DOMAIN", "BUS", "SLOT", "FUNCTION", "NUMA_NODE"),
    ),
    *_none("libvirt chooses where the guest sees it", "VM_ADDRESS", "VM_BUS", "VM_BUS_INDEX", "VM_SLOT"),
)
RAW = (
    Attribute("TYPE", one_of("kvm", "qemu", "lxc", "vmware"), note="for another hypervisor it is left alone"),
    Attribute("DATA", kinds.domain_xml, note="elements of <domain>; those of <devices>, <features>, <cpu>, <os> … join ours"),
    Attribute("VALIDATE", yes, note="libvirt compares the definition with its schema"),
    *_none("for VMware", "DATA_VMX"),
)
OTHERS = (
    Attribute("EMULATOR", path, note="QEMU's path on the host"),
    Attribute("EMULATOR_CPUS", kinds.cpu_set),
    Attribute("HYPERV_OPTIONS", kinds.xml, note="what <hyperv> holds"),
    Attribute("HYPERV_TIMERS", kinds.xml, note="timers, where HYPERV is YES"),
    Attribute("SPICE_OPTIONS", kinds.xml, note="devices that come with SPICE"),
    Attribute("MEMORY_TUNE_OFFSET", mib(MAX_MEMORY_MIB), note="QEMU may use so much more than MEMORY; unlimited without it"),
    *_elsewhere("AUTOSTART", "DESCRIPTION"),
    *_kept("shown, and for people", "LABELS", "LOGO"),
    *_none("KVM is the only one", "HYPERVISOR"),
    *_kept("VMs belong to those who make them", "AS_UID", "AS_GID"),
    *_kept(_ROUTER, "VROUTER"),
    *_none("storage drivers decide", "TM_MAD_SYSTEM"),
    *_none("for LXC", "LXC_UNPRIVILEGED", "LXC_PROFILES"),
)
CARRIED = (
    *("INIT_SCRIPTS", "USERNAME", "PASSWORD", "PASSWORD_BASE64", "CRYPTED_PASSWORD", "CRYPTED_PASSWORD_BASE64"),
    *("USERNAME_SUDO", "USERNAME_SHELL", "USERNAME_PASSWORD_RESET", "DNS", "SEARCH_DOMAIN", "TIMEZONE", "GROW_ROOTFS"),
    *("GROW_FS", "IGNORE_SWAP", "NETCFG_TYPE", "NETCFG_NETPLAN_RENDERER", "ENABLE_SSH", "SECURETTY", "RECREATE_RUN"),
    *("EJECT_CDROM", "READY_SCRIPT", "READY_SCRIPT_PATH", "WINADMIN", "VROUTER_ID", "VROUTER_KEEPALIVED_ID"),
    "VROUTER_KEEPALIVED_PASSWORD",
)
"""What OpenNebula's packages in guests know and Nebula does not look at."""
BLOCKS: dict[str, tuple[Attribute, ...]] = {
    "": (*CAPACITY, *OTHERS),
    "DISK": DISK,
    "NIC": NIC,
    "NIC_DEFAULT": NIC,
    "NIC_ALIAS": NIC_ALIAS,
    "GRAPHICS": GRAPHICS,
    "VIDEO": VIDEO,
    "SOUND": (Attribute("MODEL", one_of("ich9", "ich6", "ac97", "es1370", "sb16", "usb"), note="not OpenNebula's"),),
    "INPUT": INPUT,
    "OS": OS,
    "FEATURES": FEATURES,
    "CPU_MODEL": CPU_MODEL,
    "TPM": (Attribute("MODEL", one_of("tpm-crb", "tpm-tis"), note="version 2.0 by swtpm, which must be on the host"),),
    "RNG": (
        Attribute("SOURCE", path, note="not OpenNebula's; /dev/urandom without it"),
        Attribute("RATE_BYTES", whole(1, _RATE), note="not OpenNebula's"),
        Attribute("RATE_PERIOD", whole(1, _RATE, unit="ms"), note="not OpenNebula's; a second without it"),
    ),
    "WATCHDOG": (
        Attribute("MODEL", one_of("i6300esb", "ib700"), note="not OpenNebula's"),
        Attribute("ACTION", one_of("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")),
    ),
    "MEMORY_ENCRYPTION": (
        Attribute("TYPE", one_of("sev", "sev-es"), note="SEV-SNP and TDX, which only newer libvirts know, are refused"),
    ),
    "TOPOLOGY": TOPOLOGY,
    "NUMA_NODE": NUMA_NODE,
    "PCI": PCI,
    "RAW": RAW,
    "BACKUP_CONFIG": (
        Attribute(
            "FS_FREEZE",
            one_of("none", "agent", "suspend"),
            note="agent, where one answers, without it; suspend is as none: QEMU takes all disks at one moment",
        ),
        Attribute("KEEP_LAST", whole(1, 9999), note="in the place of what its datastore keeps"),
        Attribute("BACKUP_VOLATILE", yes, note="disks that are of no image, too"),
        Attribute("MODE", one_of("full", "increment"), note="increment without it"),
        Attribute("INCREMENT_MODE", one_of("cbt"), note="QEMU's dirty bitmaps"),
        Attribute("DISK_IDS", kinds.matching(r"[0-9]+( *, *[0-9]+)*", "ids of disks", "0,1"), note="these disks alone"),
        *_kept("for transports of others", "INTERACTIVE"),
        *_kept(
            _BACKUPS,
            *("LAST_DATASTORE_ID", "LAST_BACKUP_ID", "LAST_BACKUP_SIZE", "LAST_INCREMENT_ID", "INCREMENTAL_BACKUP_ID"),
            *("LAST_BRIDGE", "BACKUP_JOB_ID"),
        ),
    ),
}
"""Block -> its attributes; "" is the template itself."""
APART: dict[str, tuple[Attribute, ...]] = {
    "Placement": (
        *_elsewhere("SCHED_REQUIREMENTS", "SCHED_RANK", "SCHED_DS_REQUIREMENTS", "SCHED_DS_RANK", "USER_PRIORITY"),
        *_elsewhere("SUBMIT_ON_HOLD"),
        *_none(
            "clusters, CPUs and devices are tests of their own",
            *("AUTOMATIC_REQUIREMENTS", "AUTOMATIC_DS_REQUIREMENTS", "AUTOMATIC_NIC_REQUIREMENTS"),
        ),
    ),
    "VMGROUP": (
        *_elsewhere("VMGROUP_ID", "VMGROUP_NAME", "ROLE", note="or VMGROUP: GROUP:ROLE"),
        *_none("groups are found by name or id alone", "UID", "UNAME"),
    ),
    "CONTEXT": (
        *_elsewhere(
            *("NETWORK", "SSH_PUBLIC_KEY", "SSH_KEY", "SET_HOSTNAME", "HOSTNAME", "DNS_HOSTNAME", "USER_DATA", "USERDATA"),
            *("USER_DATA_ENCODING", "USERDATA_ENCODING", "START_SCRIPT", "START_SCRIPT_BASE64", "FILES_DS"),
            note="see docs/context.md",
        ),
        *_elsewhere(*CARRIED, note="carried to the guest, whose packages read it"),
        *_elsewhere("TOKEN", "REPORT_READY", "ONEGATE_ENDPOINT", "VMID", note="see docs/context.md: where OneGate listens"),
        Attribute("FILES", status="refused", note="it names files of the engine's machine: FILES_DS"),
        *_kept("the CD is where the machine has room", "DEV_PREFIX"),
        *_none(_CORE, "DISK_ID", "TARGET"),
    ),
    "SCHED_ACTION": (
        *_elsewhere("ACTION", "TIME", "ARGS", "REPEAT", "DAYS", "END_TYPE", "END_VALUE", note="see docs/schedule.md"),
        *_kept("for web fronts", "WARNING"),
    ),
    "USER_INPUTS": (
        *_elsewhere("USER_INPUTS", "INPUTS_ORDER", note="asked when a VM is made of a stored template"),
        *_kept("for web fronts", "USER_INPUTS_METADATA"),
    ),
}
"""Blocks that this package does not read."""


def known(block: str) -> dict[str, Attribute]:
    """The attributes of a block by name."""
    return {attribute.name: attribute for attribute in BLOCKS[block]}


def blocks() -> Iterable[tuple[str, tuple[Attribute, ...]]]:
    """All of them, in the order of the page."""
    yield from BLOCKS.items()
    yield from APART.items()

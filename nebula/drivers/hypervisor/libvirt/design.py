"""Policy: which machine, CPU and devices a domain gets. `domain_xml` turns a DomainSpec into libvirt's definition."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.xml import boot as boots
from nebula.drivers.hypervisor.libvirt.xml import cpu as cpus
from nebula.drivers.hypervisor.libvirt.xml import devices as make
from nebula.drivers.hypervisor.libvirt.xml import raw
from nebula.drivers.hypervisor.libvirt.xml.disk import DiskElement
from nebula.drivers.hypervisor.libvirt.xml.domain import DomainElement, encrypted_memory
from nebula.drivers.hypervisor.libvirt.xml.interface import BandwidthElement, FunctionElement, InterfaceElement
from nebula.drivers.hypervisor.libvirt.xml.memory import MemoryElements, TuneElements, VcpuElement
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError
from nebula.model.domain import (
    DomainBandwidth,
    DomainDisk,
    DomainGraphics,
    DomainHostDevice,
    DomainInterface,
    DomainSpec,
    DomainVideo,
)

SPARE_PORTS = 8
"""PCIe root ports left free on a q35 machine, for cards and disks that are plugged in while it runs."""
FIXED_PORTS = 5
"""Taken by our own devices: USB, SCSI and serial controllers, balloon, randomness."""
BALLOON_PERIOD = 10
SHARES = (2, 10_000)
"""What both versions of control groups take."""
VNC_PASSWORD = 8
"""Characters; the protocol looks at no more."""
SEV = {"sev": 0x03, "sev-es": 0x07}
"""Policies: no debugging, no sharing of keys; encrypted registers."""
SPINS = 8191


def domain_xml(spec: DomainSpec) -> str:
    """The domain's definition; UsageError for what no domain can have."""
    if spec.memory_mib < 1 or spec.vcpus < 1:
        raise UsageError(f"domain {spec.name} needs memory and a processor: {spec.memory_mib} MiB, {spec.vcpus} vCPUs")
    return DomainElement(
        virt=spec.virt,
        vm_id=spec.vm_id,
        uuid=spec.uuid,
        name=spec.name,
        title=" ".join(spec.title.split()),
        memory=memory(spec),
        vcpu=VcpuElement(now=spec.vcpus, most=max(spec.vcpus, spec.vcpus_max)),
        io_threads=spec.io_threads,
        tune=tune(spec),
        boot=boot(spec),
        features=features(spec),
        cpu=cpu(spec),
        clock=clock(spec),
        launch_security=encrypted_memory(SEV[spec.memory_encryption]) if spec.memory_encryption else None,
        devices=tuple(_devices(spec)),
        emulator=spec.emulator,
        raw=raw.elements(spec.raw_xml, "RAW/DATA"),
    ).xml()


def memory(spec: DomainSpec) -> MemoryElements:
    """A balloon begins with all that it may let out; plugged memory comes on top. Encrypted memory stays where it is."""
    whole = max(spec.memory_mib, spec.memory_max_mib) if spec.memory_balloon else spec.memory_mib
    return MemoryElements(
        whole=whole,
        now=spec.memory_mib,
        most=spec.memory_max_mib,
        slots=spec.memory_slots,
        limit=spec.memory_limit_mib,
        page=spec.huge_page_mib,
        shared=spec.memory_shared,
        locked=bool(spec.memory_encryption),
    )


def tune(spec: DomainSpec) -> TuneElements:
    """Shares of CPU, and which of the host's CPUs and nodes the domain is tied to."""
    bound = tuple((number, cell.host_node) for number, cell in enumerate(spec.cells) if cell.host_node >= 0)
    return TuneElements(
        shares=min(max(spec.cpu_share, SHARES[0]), SHARES[1]) if spec.cpu_share > 0 else 0,
        pins=spec.pins,
        emulator=spec.emulator_cpus,
        nodes=bound or tuple((-1, number) for number in spec.host_nodes),
    )


def features(spec: DomainSpec) -> boots.FeaturesElement:
    """Enlightenments are KVM's: an emulated guest does without. Secure boot needs a mode that no guest enters."""
    asked = spec.features
    own = raw.elements(asked.hyperv_xml, "HYPERV_OPTIONS") or tuple(_enlightenments())
    return boots.FeaturesElement(
        acpi=asked.acpi,
        apic=asked.apic,
        pae=asked.pae,
        smm=bool(spec.uefi and spec.uefi.secure_boot),
        hyperv=own if asked.hyperv and spec.virt == "kvm" else None,
    )


def _enlightenments() -> Iterator[ET.Element]:
    yield from (boots.enlightenment(name) for name in ("relaxed", "vapic"))
    yield boots.enlightenment("spinlocks", retries=SPINS)
    yield from (boots.enlightenment(name) for name in ("vpindex", "runtime", "synic", "stimer", "frequencies"))


def clock(spec: DomainSpec) -> boots.ClockElement:
    """A clock that catches up after a pause."""
    asked = spec.features
    given = raw.elements(asked.timers_xml, "HYPERV_TIMERS") if asked.hyperv else ()
    return boots.ClockElement(local=asked.local_time, timers=given or tuple(_timers(spec)))


def _timers(spec: DomainSpec) -> Iterator[ET.Element]:
    yield boots.timer("rtc", tickpolicy="catchup")
    yield boots.timer("pit", tickpolicy="delay")
    yield boots.timer("hpet", present=False)
    if spec.virt == "kvm":
        yield boots.timer("kvmclock", present=True)
        if spec.features.hyperv:
            yield boots.timer("hypervclock", present=True)


def is_q35(spec: DomainSpec) -> bool:
    """Whether the machine has PCI Express (and SATA instead of IDE)."""
    return "q35" in spec.machine


def cpu(spec: DomainSpec) -> ET.Element:
    """A CPU, with what was asked for beside its model."""
    element = _model(spec)
    known = {feature.get("name"): feature for feature in element.iterfind("feature")}
    for name in spec.cpu_features:
        away = name.startswith("-")
        if (old := known.get(name.removeprefix("-"))) is not None:
            element.remove(old)
        element.append(cpus.feature(name.removeprefix("-"), "disable" if away else "require"))
    if spec.topology:
        element.append(cpus.topology(spec.topology.sockets, spec.topology.cores, spec.topology.threads))
    if spec.cells:
        element.append(cpus.numa([_cell(number, spec) for number in range(len(spec.cells))]))
    return element


def _cell(number: int, spec: DomainSpec) -> cpus.CellElement:
    given = spec.cells[number]
    first, last = given.cpus
    named = f"{first}-{last}" if last > first else str(first)
    return cpus.CellElement(id=number, cpus=named, memory_mib=given.memory_mib, shared=spec.memory_shared)


def _model(spec: DomainSpec) -> ET.Element:
    """The cluster's baseline; else what was asked for; else the host's model under KVM and all that emulation can do.

    Five-level paging is taken from an emulated CPU: it slows a guest down and old boot loaders stumble over it.
    """
    if spec.cpu_xml:
        return _given_cpu(spec.cpu_xml)
    if spec.cpu_mode in ("", "maximum") and spec.virt == "qemu":
        element = cpus.CpuElement(mode="maximum").element()
        element.append(cpus.feature("la57", "disable"))
        return element
    mode = spec.cpu_mode or "host-model"
    if mode in ("host-model", "host-passthrough", "maximum"):
        return cpus.CpuElement(mode=mode, check="partial" if mode == "host-model" else "").element()
    return cpus.CpuElement(mode="custom", model=mode, match="exact", check="partial").element()


def _given_cpu(text: str) -> ET.Element:
    element = parse(text, "the cluster's CPU baseline")
    if element.tag != "cpu":
        raise UsageError("the cluster's CPU baseline is no <cpu> element", cause=f"it is <{element.tag[:40]}>")
    return element


def boot(spec: DomainSpec) -> boots.BootElement:
    """What is booted: a kernel, devices by their own order, or the kinds of device asked for."""
    ordered = any(disk.boot_order for disk in spec.disks) or any(card.boot_order for card in spec.interfaces)
    found = spec.uefi
    return boots.BootElement(
        arch=spec.arch,
        machine=spec.machine,
        uefi=boots.UefiElement(secure=found.secure_boot, loader=found.loader, nvram=found.nvram) if found else None,
        devices=() if ordered or spec.kernel else spec.boot or ("hd",),
        kernel=spec.kernel,
        initrd=spec.initrd,
        command_line=spec.kernel_cmd,
    )


def disk(given: DomainDisk, *, q35: bool) -> DiskElement:
    """A disk on a bus that the machine has; a full or failing one stops the guest until somebody looks."""
    cdrom = given.device == "cdrom"
    return DiskElement(
        source=given.path,
        target=given.target,
        bus=bus_of(given, q35=q35),
        format=given.format,
        device=given.device,
        cache="" if cdrom else given.cache,
        io="" if cdrom else given.io,
        discard="" if cdrom or given.readonly else given.discard,
        error_policy="" if cdrom else "stop",
        readonly=given.readonly or cdrom,
        shareable=given.shareable,
        serial=given.serial,
        iothread=given.iothread,
        queues=given.queues,
        limits=given.limits,
        boot_order=given.boot_order,
    )


def bus_of(given: DomainDisk, *, q35: bool) -> str:
    """The bus: IDE becomes SATA on q35 and SATA IDE elsewhere; a CD is never virtio."""
    if given.bus in ("ide", "sata") or (given.device == "cdrom" and given.bus == "virtio"):
        return "sata" if q35 else "ide"
    return given.bus


def interface(given: DomainInterface) -> InterfaceElement | FunctionElement:
    """A card on its bridge, or a virtual function of one of the host's."""
    if given.address:
        return FunctionElement(
            mac=given.mac, address=_address(given.address), vlan_id=given.vlan_id, boot_order=given.boot_order
        )
    return InterfaceElement(
        mac=given.mac,
        bridge=given.bridge,
        tap=given.tap,
        open_vswitch=given.open_vswitch,
        model=given.model,
        mtu=given.mtu,
        queues=given.queues,
        filter=given.filter,
        inbound=_bandwidth(given.inbound),
        outbound=_bandwidth(given.outbound),
        boot_order=given.boot_order,
    )


def _bandwidth(given: DomainBandwidth | None) -> BandwidthElement | None:
    return BandwidthElement(average=given.average, peak=given.peak, burst=given.burst) if given else None


def graphics(given: DomainGraphics) -> make.GraphicsElement:
    """A graphical console; UsageError for a password that VNC would cut."""
    if given.type == "vnc" and len(given.password) > VNC_PASSWORD:
        raise UsageError(f"a VNC password has at most {VNC_PASSWORD} characters", hint="give GRAPHICS/PASSWD a shorter one")
    return make.GraphicsElement(
        type=given.type,
        listen=given.listen,
        port=given.port if given.port > 0 else -1,
        password=given.password,
        keymap=given.keymap,
    )


def video(given: DomainVideo) -> make.VideoElement:
    """A graphics card as asked for."""
    return make.VideoElement(
        model=given.model, vram_kib=given.vram_kib, resolution=given.resolution, iommu=given.iommu, ats=given.ats
    )


def host_device(given: DomainHostDevice) -> make.HostDeviceElement:
    """A PCI device of the host; UsageError for an address that is none."""
    return make.HostDeviceElement(address=_address(given.address))


def _address(given: str) -> make.PciAddress:
    parts = given.replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isalnum() and part.isascii() for part in parts):
        raise UsageError(f"{given[:40]!r} is no PCI address", hint="0000:3b:00.0")
    return make.PciAddress(*parts)


def _devices(spec: DomainSpec) -> Iterator[ET.Element]:
    q35 = is_q35(spec)
    yield from (disk(item, q35=q35).element() for item in spec.disks)
    yield from _controllers(spec, q35=q35)
    yield from (interface(item).element() for item in spec.interfaces)
    yield make.SerialElement(log=spec.serial_log).element()
    yield make.console()
    if spec.guest_agent:
        yield make.agent_channel()
    yield from _screen(spec)
    yield from (make.input_device(item.type, item.bus) for item in spec.inputs)
    yield from (make.sound(model) for model in spec.sounds)
    yield from raw.elements(spec.spice_xml, "SPICE_OPTIONS")
    if spec.tpm:
        yield make.tpm(spec.tpm.model)
    yield from (host_device(item).element() for item in spec.host_devices)
    if spec.watchdog:
        yield make.WatchdogElement(model=spec.watchdog.model, action=spec.watchdog.action).element()
    yield make.balloon(BALLOON_PERIOD)
    yield make.RandomElement(source=spec.random.source, bytes=spec.random.bytes, period=spec.random.period).element()
    yield make.panic()


def _controllers(spec: DomainSpec, *, q35: bool) -> Iterator[ET.Element]:
    if q35:
        hole = spec.features.pci_hole_kib
        yield make.ControllerElement(type="pci", index=0, model="pcie-root", pci_hole_kib=hole).element()
        yield from (make.ControllerElement(type="pci", model="pcie-root-port").element() for _ in range(_ports(spec)))
    usb = ("qemu-xhci" if q35 else "piix3-uhci") if _uses_usb(spec) else "none"
    yield make.ControllerElement(type="usb", index=0, model=usb).element()
    yield make.ControllerElement(
        type="scsi", index=0, model="virtio-scsi", queues=spec.scsi_queues, iothread=spec.scsi_iothread
    ).element()
    yield make.ControllerElement(type="virtio-serial", index=0).element()


def _ports(spec: DomainSpec) -> int:
    """A port for each device that needs one, and spare ones."""
    disks = sum(item.bus == "virtio" for item in spec.disks)
    others = sum(item.bus == "virtio" for item in spec.inputs) + len(spec.sounds) + len(spec.host_devices)
    return len(spec.interfaces) + disks + others + FIXED_PORTS + SPARE_PORTS


def _uses_usb(spec: DomainSpec) -> bool:
    return spec.graphics is not None or "usb" in {*(item.bus for item in spec.inputs), *spec.sounds}


def _screen(spec: DomainSpec) -> Iterator[ET.Element]:
    if spec.graphics is None:
        yield (video(spec.video) if spec.video else make.VideoElement(model="none")).element()
        return
    if all(item.type != "tablet" for item in spec.inputs):
        yield make.input_device("tablet", "usb")
    yield graphics(spec.graphics).element()
    yield video(spec.video or DomainVideo()).element()

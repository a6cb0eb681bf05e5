"""Policy: which machine, CPU and devices a domain gets. `domain_xml` turns a DomainSpec into libvirt's definition."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.xml import devices as make
from nebula.drivers.hypervisor.libvirt.xml.cpu import CpuElement
from nebula.drivers.hypervisor.libvirt.xml.disk import DiskElement
from nebula.drivers.hypervisor.libvirt.xml.domain import BootElement, DomainElement
from nebula.drivers.hypervisor.libvirt.xml.interface import InterfaceElement
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError
from nebula.model.domain import DomainDisk, DomainGraphics, DomainInterface, DomainSpec

SPARE_PORTS = 8
"""PCIe root ports left free on a q35 machine, for cards and disks that are plugged in while it runs."""
FIXED_PORTS = 5
"""Taken by our own devices: USB, SCSI and serial controllers, balloon, randomness."""
BALLOON_PERIOD = 10
SHARES = (2, 10_000)
"""What both versions of control groups take."""
VNC_PASSWORD = 8
"""Characters; the protocol looks at no more."""


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
        memory_mib=spec.memory_mib,
        vcpus=spec.vcpus,
        shares=min(max(spec.cpu_share, SHARES[0]), SHARES[1]) if spec.cpu_share > 0 else 0,
        boot=boot(spec),
        cpu=cpu(spec),
        devices=tuple(_devices(spec)),
        emulator=spec.emulator,
    ).xml()


def is_q35(spec: DomainSpec) -> bool:
    """Whether the machine has PCI Express (and SATA instead of IDE)."""
    return "q35" in spec.machine


def cpu(spec: DomainSpec) -> ET.Element:
    """The cluster's baseline; else what was asked for; else the host's model under KVM and all that emulation can do.

    Five-level paging is taken from an emulated CPU: it slows a guest down and old boot loaders stumble over it.
    """
    if spec.cpu_xml:
        return _given_cpu(spec.cpu_xml)
    if spec.cpu_mode in ("", "maximum") and spec.virt == "qemu":
        return CpuElement(mode="maximum", without=("la57",)).element()
    mode = spec.cpu_mode or "host-model"
    if mode in ("host-model", "host-passthrough", "maximum"):
        return CpuElement(mode=mode, check="partial" if mode == "host-model" else "").element()
    return CpuElement(mode="custom", model=mode, match="exact", check="partial").element()


def _given_cpu(text: str) -> ET.Element:
    element = parse(text, "the cluster's CPU baseline")
    if element.tag != "cpu":
        raise UsageError("the cluster's CPU baseline is no <cpu> element", cause=f"it is <{element.tag[:40]}>")
    return element


def boot(spec: DomainSpec) -> BootElement:
    """What is booted: a kernel, devices by their own order, or the kinds of device asked for."""
    ordered = any(disk.boot_order for disk in spec.disks) or any(card.boot_order for card in spec.interfaces)
    return BootElement(
        arch=spec.arch,
        machine=spec.machine,
        uefi=spec.firmware == "uefi",
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
        block=given.path.startswith("/dev/"),
        cache="" if cdrom else given.cache,
        io="" if cdrom else given.io,
        discard="" if cdrom or given.readonly else given.discard,
        error_policy="" if cdrom else "stop",
        readonly=given.readonly or cdrom,
        shareable=given.shareable,
        serial=given.serial,
        boot_order=given.boot_order,
    )


def bus_of(given: DomainDisk, *, q35: bool) -> str:
    """The bus: IDE becomes SATA on q35 and SATA IDE elsewhere; a CD is never virtio."""
    if given.bus in ("ide", "sata") or (given.device == "cdrom" and given.bus == "virtio"):
        return "sata" if q35 else "ide"
    return given.bus


def interface(given: DomainInterface) -> InterfaceElement:
    """A card on its bridge."""
    return InterfaceElement(
        mac=given.mac, bridge=given.bridge, tap=given.tap, model=given.model, mtu=given.mtu, boot_order=given.boot_order
    )


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


def _devices(spec: DomainSpec) -> Iterator[ET.Element]:
    q35 = is_q35(spec)
    yield from (disk(item, q35=q35).element() for item in spec.disks)
    yield from _controllers(spec, q35=q35)
    yield from (interface(item).element() for item in spec.interfaces)
    yield make.SerialElement(log=spec.serial_log).element()
    yield make.console()
    if spec.guest_agent:
        yield make.agent_channel()
    yield from _screen(spec.graphics)
    yield make.balloon(BALLOON_PERIOD)
    yield make.random_source()
    yield make.panic()


def _controllers(spec: DomainSpec, *, q35: bool) -> Iterator[ET.Element]:
    if q35:
        yield make.ControllerElement(type="pci", index=0, model="pcie-root").element()
        ports = len(spec.interfaces) + sum(item.bus == "virtio" for item in spec.disks) + FIXED_PORTS + SPARE_PORTS
        yield from (make.ControllerElement(type="pci", model="pcie-root-port").element() for _ in range(ports))
    usb = ("qemu-xhci" if q35 else "piix3-uhci") if spec.graphics else "none"
    yield make.ControllerElement(type="usb", index=0, model=usb).element()
    yield make.ControllerElement(type="scsi", index=0, model="virtio-scsi").element()
    yield make.ControllerElement(type="virtio-serial", index=0).element()


def _screen(given: DomainGraphics | None) -> Iterator[ET.Element]:
    if given is None:
        yield make.video("none")
        return
    yield make.tablet()
    yield graphics(given).element()
    yield make.video("vga")

"""Devices other than disks and cards."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class ControllerElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<controller>`; without an index libvirt numbers it."""

    type: str
    model: str = ""
    index: int | None = None
    queues: int = 0
    iothread: int = 0
    pci_hole_kib: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "controller",
            node("driver", queues=self.queues or None, iothread=self.iothread or None)
            if self.queues or self.iothread
            else None,
            node("pcihole64", text=self.pci_hole_kib, unit="KiB") if self.pci_hole_kib else None,
            type_=self.type,
            index=self.index,
            model=self.model or None,
        )


class GraphicsElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<graphics>`; port -1 lets libvirt choose."""

    type: str
    listen: str
    port: int = -1
    password: str = ""
    keymap: str = ""

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "graphics",
            node("listen", type_="address", address=self.listen),
            type_=self.type,
            port=self.port,
            autoport=self.port < 0,
            passwd=self.password or None,
            keymap=self.keymap or None,
        )


class SerialElement(msgspec.Struct, frozen=True, kw_only=True):
    """The first serial port, on a pseudo terminal; `log`: a file on the host that gets all it says."""

    log: str = ""

    def element(self) -> ET.Element:
        """The element."""
        log = node("log", file=self.log, append="on") if self.log else None
        return node("serial", log, node("target", type_="isa-serial", port=0), type_="pty")


def console() -> ET.Element:
    """The console is the first serial port."""
    return node("console", node("target", type_="serial", port=0), type_="pty")


def agent_channel() -> ET.Element:
    """The guest agent's channel."""
    return node("channel", node("target", type_="virtio", name="org.qemu.guest_agent.0"), type_="unix")


def balloon(period: int) -> ET.Element:
    """The memory balloon, which also tells what the guest uses, every `period` seconds."""
    return node("memballoon", node("stats", period=period), model="virtio")


class RandomElement(msgspec.Struct, frozen=True, kw_only=True):
    """Randomness from a device of the host; `bytes` a `period` (milliseconds), 0: as much as is asked for."""

    source: str
    bytes: int = 0
    period: int = 0

    def element(self) -> ET.Element:
        """The element."""
        rate = node("rate", bytes=self.bytes, period=self.period or None) if self.bytes else None
        return node("rng", rate, node("backend", text=self.source, model="random"), model="virtio")


class VideoElement(msgspec.Struct, frozen=True, kw_only=True):
    """A graphics card; `none` for none. Zeros and None are left out."""

    model: str
    vram_kib: int = 0
    resolution: tuple[int, int] | None = None
    iommu: bool | None = None
    ats: bool | None = None

    def element(self) -> ET.Element:
        """The element."""
        driver = {name: _switch(value) for name, value in (("iommu", self.iommu), ("ats", self.ats)) if value is not None}
        size = node("resolution", x=self.resolution[0], y=self.resolution[1]) if self.resolution else None
        model = node("model", size, type_=self.model, vram=self.vram_kib or None)
        return node("video", node("driver", **driver) if driver else None, model)


class WatchdogElement(msgspec.Struct, frozen=True, kw_only=True):
    """A watchdog, and what happens to a guest that does not feed it."""

    model: str
    action: str

    def element(self) -> ET.Element:
        """The element."""
        return node("watchdog", model=self.model, action=self.action)


class PciAddress(NamedTuple):
    """The four parts of a PCI device's address, in hexadecimal digits."""

    domain: str
    bus: str
    slot: str
    function: str

    def element(self, **further: str) -> ET.Element:
        """The element, with further attributes."""
        return node("address", **further, **{name: f"0x{value}" for name, value in self._asdict().items()})


class HostDeviceElement(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI device of the host; libvirt takes it from the host's driver and gives it back."""

    address: PciAddress

    def element(self) -> ET.Element:
        """The element."""
        return node("hostdev", node("source", self.address.element()), mode="subsystem", type_="pci", managed=True)


def _switch(value: bool) -> str:
    return "on" if value else "off"


def tpm(model: str) -> ET.Element:
    """A trusted platform module, version 2.0, emulated."""
    return node("tpm", node("backend", type_="emulator", version="2.0"), model=model)


def sound(model: str) -> ET.Element:
    """A sound card."""
    return node("sound", model=model)


def input_device(kind: str, bus: str) -> ET.Element:
    """A pointer or a keyboard."""
    return node("input", type_=kind, bus=bus)


def panic() -> ET.Element:
    """The device by which a guest's kernel says that it panicked."""
    return node("panic", model="isa")

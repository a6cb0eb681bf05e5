"""Devices other than disks and cards."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class ControllerElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<controller>`; without an index libvirt numbers it."""

    type: str
    model: str = ""
    index: int | None = None

    def element(self) -> ET.Element:
        """The element."""
        return node("controller", type_=self.type, index=self.index, model=self.model or None)


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


def random_source() -> ET.Element:
    """Randomness from the host."""
    return node("rng", node("backend", text="/dev/urandom", model="random"), model="virtio")


def video(model: str) -> ET.Element:
    """A graphics card; `none` for none."""
    return node("video", node("model", type_=model))


def tablet() -> ET.Element:
    """A pointer with absolute positions."""
    return node("input", type_="tablet", bus="usb")


def panic() -> ET.Element:
    """The device by which a guest's kernel says that it panicked."""
    return node("panic", model="isa")

"""`<disk>`."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class DiskElement(msgspec.Struct, frozen=True, kw_only=True):
    """A disk or CD that is a file or a block device on the host; empty values are left out."""

    source: str
    target: str
    bus: str
    format: str
    device: Literal["disk", "cdrom"] = "disk"
    block: bool = False
    cache: str = ""
    io: str = ""
    discard: str = ""
    error_policy: str = ""
    readonly: bool = False
    shareable: bool = False
    serial: str = ""
    boot_order: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "disk",
            self._driver(),
            node("source", dev=self.source) if self.block else node("source", file=self.source),
            node("target", dev=self.target, bus=self.bus),
            node("readonly") if self.readonly else None,
            node("shareable") if self.shareable else None,
            node("serial", text=self.serial) if self.serial else None,
            node("boot", order=self.boot_order) if self.boot_order else None,
            type_="block" if self.block else "file",
            device=self.device,
        )

    def _driver(self) -> ET.Element:
        return node(
            "driver",
            name="qemu",
            type_=self.format,
            cache=self.cache or None,
            io=self.io or None,
            discard=self.discard or None,
            error_policy=self.error_policy or None,
            rerror_policy=self.error_policy or None,
        )

"""`<interface>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class InterfaceElement(msgspec.Struct, frozen=True, kw_only=True):
    """A card on a bridge; 0 and empty are left out."""

    mac: str
    bridge: str
    tap: str
    model: str
    mtu: int = 0
    boot_order: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "interface",
            node("mac", address=self.mac),
            node("source", bridge=self.bridge),
            node("target", dev=self.tap) if self.tap else None,
            node("model", type_=self.model),
            node("mtu", size=self.mtu) if self.mtu else None,
            node("boot", order=self.boot_order) if self.boot_order else None,
            type_="bridge",
        )

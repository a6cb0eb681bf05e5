"""`<interface>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.devices import PciAddress
from nebula.drivers.hypervisor.libvirt.xml.tree import node


class BandwidthElement(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in one direction: KiB/s, `burst` in KiB; 0 is left out."""

    average: int
    peak: int = 0
    burst: int = 0

    def element(self, tag: str) -> ET.Element:
        """The element, called `inbound` or `outbound`."""
        return node(tag, average=self.average, peak=self.peak or None, burst=self.burst or None)


class FunctionElement(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual function of a card of the host: libvirt gives it this MAC address and VLAN (0: none) through the card, takes it
    from the host's driver, and undoes both when the guest ends.
    """

    mac: str
    address: PciAddress
    vlan_id: int = 0
    boot_order: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "interface",
            node("mac", address=self.mac),
            node("source", self.address.element(type_="pci")),
            node("vlan", node("tag", id=self.vlan_id)) if self.vlan_id else None,
            node("boot", order=self.boot_order) if self.boot_order else None,
            type_="hostdev",
            managed=True,
        )


class InterfaceElement(msgspec.Struct, frozen=True, kw_only=True):
    """A card on a bridge; 0 and empty are left out."""

    mac: str
    bridge: str
    tap: str
    model: str
    open_vswitch: bool = False
    mtu: int = 0
    queues: int = 0
    filter: str = ""
    inbound: BandwidthElement | None = None
    outbound: BandwidthElement | None = None
    boot_order: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "interface",
            node("mac", address=self.mac),
            node("source", bridge=self.bridge),
            node("virtualport", type_="openvswitch") if self.open_vswitch else None,
            node("target", dev=self.tap) if self.tap else None,
            node("model", type_=self.model),
            node("driver", queues=self.queues) if self.queues else None,
            node("filterref", filter=self.filter) if self.filter else None,
            self._bandwidth(),
            node("mtu", size=self.mtu) if self.mtu else None,
            node("boot", order=self.boot_order) if self.boot_order else None,
            type_="bridge",
        )

    def _bandwidth(self) -> ET.Element | None:
        inbound = self.inbound.element("inbound") if self.inbound else None
        outbound = self.outbound.element("outbound") if self.outbound else None
        return None if inbound is None and outbound is None else node("bandwidth", inbound, outbound)

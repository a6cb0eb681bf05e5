"""`<domain>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.boot import BootElement, ClockElement, FeaturesElement
from nebula.drivers.hypervisor.libvirt.xml.memory import MemoryElements, TuneElements, VcpuElement
from nebula.drivers.hypervisor.libvirt.xml.metadata import mark
from nebula.drivers.hypervisor.libvirt.xml.raw import join
from nebula.drivers.hypervisor.libvirt.xml.tree import node, write


class DomainElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<domain>`. `devices` are written in the order given; `raw` comes from people and joins the rest."""

    virt: str
    vm_id: int
    uuid: str
    name: str
    title: str
    memory: MemoryElements
    vcpu: VcpuElement
    tune: TuneElements
    boot: BootElement
    features: FeaturesElement
    cpu: ET.Element
    clock: ClockElement
    io_threads: int = 0
    launch_security: ET.Element | None = None
    devices: tuple[ET.Element, ...] = ()
    emulator: str = ""
    raw: tuple[ET.Element, ...] = ()

    def xml(self) -> str:
        """The whole definition as text."""
        return write(self.element())

    def element(self) -> ET.Element:
        """The element."""
        return join(self._own(), self.raw)

    def _own(self) -> ET.Element:
        return node(
            "domain",
            node("name", text=self.name),
            node("uuid", text=self.uuid),
            node("title", text=self.title) if self.title else None,
            node("metadata", mark(self.vm_id)),
            *self.memory.elements(),
            self.vcpu.element(),
            node("iothreads", text=self.io_threads) if self.io_threads else None,
            *self.tune.elements(),
            self.boot.element(),
            self.features.element(),
            self.cpu,
            self.clock.element(),
            node("on_poweroff", text="destroy"),
            node("on_reboot", text="restart"),
            node("on_crash", text="destroy"),
            node("pm", node("suspend-to-mem", enabled=False), node("suspend-to-disk", enabled=False)),
            self._devices(),
            self.launch_security,
            type_=self.virt,
        )

    def _devices(self) -> ET.Element:
        return node("devices", node("emulator", text=self.emulator) if self.emulator else None, *self.devices)


def encrypted_memory(policy: int) -> ET.Element:
    """`<launchSecurity>` of AMD's SEV; the host's own figures complete it."""
    return node("launchSecurity", node("policy", text=f"0x{policy:04x}"), type_="sev")

"""`<domain>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.metadata import mark
from nebula.drivers.hypervisor.libvirt.xml.tree import node, write


class BootElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<os>`: machine, firmware, what is booted; empty is left out."""

    arch: str
    machine: str
    uefi: bool = False
    devices: tuple[str, ...] = ()
    kernel: str = ""
    initrd: str = ""
    command_line: str = ""

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "os",
            node("type", text="hvm", arch=self.arch, machine=self.machine),
            node("firmware", node("feature", enabled=False, name="secure-boot")) if self.uefi else None,
            *(node("boot", dev=device) for device in self.devices),
            node("kernel", text=self.kernel) if self.kernel else None,
            node("initrd", text=self.initrd) if self.initrd else None,
            node("cmdline", text=self.command_line) if self.command_line else None,
            firmware="efi" if self.uefi else None,
        )


class DomainElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<domain>`; memory in MiB. `devices` are written in the order given."""

    virt: str
    vm_id: int
    uuid: str
    name: str
    title: str
    memory_mib: int
    vcpus: int
    shares: int
    boot: BootElement
    cpu: ET.Element
    devices: tuple[ET.Element, ...] = ()
    emulator: str = ""

    def xml(self) -> str:
        """The whole definition as text."""
        return write(self.element())

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "domain",
            node("name", text=self.name),
            node("uuid", text=self.uuid),
            node("title", text=self.title) if self.title else None,
            node("metadata", mark(self.vm_id)),
            node("memory", text=self.memory_mib, unit="MiB"),
            node("currentMemory", text=self.memory_mib, unit="MiB"),
            node("vcpu", text=self.vcpus, placement="static"),
            node("cputune", node("shares", text=self.shares)) if self.shares else None,
            self.boot.element(),
            node("features", node("acpi"), node("apic")),
            self.cpu,
            _clock(self.virt),
            node("on_poweroff", text="destroy"),
            node("on_reboot", text="restart"),
            node("on_crash", text="destroy"),
            node("pm", node("suspend-to-mem", enabled=False), node("suspend-to-disk", enabled=False)),
            self._devices(),
            type_=self.virt,
        )

    def _devices(self) -> ET.Element:
        return node("devices", node("emulator", text=self.emulator) if self.emulator else None, *self.devices)


def _clock(virt: str) -> ET.Element:
    return node(
        "clock",
        node("timer", name="rtc", tickpolicy="catchup"),
        node("timer", name="pit", tickpolicy="delay"),
        node("timer", name="hpet", present=False),
        node("timer", name="kvmclock", present=True) if virt == "kvm" else None,
        offset="utc",
    )

"""`<os>` and `<features>`."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class UefiElement(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware that libvirt finds, or the one at `loader`; empty is left out."""

    secure: bool = False
    loader: str = ""
    nvram: str = ""

    def elements(self) -> Iterator[ET.Element]:
        """Those of `<os>`."""
        if self.loader:
            yield node("loader", text=self.loader, readonly=True, secure=self.secure, type_="pflash")
        else:
            keys = node("feature", enabled=True, name="enrolled-keys") if self.secure else None
            yield node("firmware", keys, node("feature", enabled=self.secure, name="secure-boot"))
        if self.nvram:
            yield node("nvram", text=self.nvram)


class BootElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<os>`: machine, firmware, what is booted; empty is left out."""

    arch: str
    machine: str
    uefi: UefiElement | None = None
    devices: tuple[str, ...] = ()
    kernel: str = ""
    initrd: str = ""
    command_line: str = ""

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "os",
            node("type", text="hvm", arch=self.arch, machine=self.machine),
            *(self.uefi.elements() if self.uefi else ()),
            *(node("boot", dev=device) for device in self.devices),
            node("kernel", text=self.kernel) if self.kernel else None,
            node("initrd", text=self.initrd) if self.initrd else None,
            node("cmdline", text=self.command_line) if self.command_line else None,
            firmware="efi" if self.uefi and not self.uefi.loader else None,
        )


class FeaturesElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<features>`; `hyperv`: the elements that it holds, None: none of it."""

    acpi: bool = True
    apic: bool = True
    pae: bool = False
    smm: bool = False
    hyperv: tuple[ET.Element, ...] | None = None

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "features",
            node("acpi") if self.acpi else None,
            node("apic") if self.apic else None,
            node("pae") if self.pae else None,
            node("hyperv", *self.hyperv, mode="custom") if self.hyperv is not None else None,
            node("smm", state="on") if self.smm else None,
        )


def enlightenment(name: str, **more: str | int) -> ET.Element:
    """One of Hyper-V's, switched on."""
    return node(name, state="on", **more)


def timer(name: str, **more: str | bool) -> ET.Element:
    """A clock of the guest."""
    return node("timer", name=name, **more)


class ClockElement(msgspec.Struct, frozen=True, kw_only=True):
    """`<clock>`: what the guest's real-time clock shows, and its timers."""

    local: bool = False
    timers: tuple[ET.Element, ...] = ()

    def element(self) -> ET.Element:
        """The element."""
        return node("clock", *self.timers, offset="localtime" if self.local else "utc")

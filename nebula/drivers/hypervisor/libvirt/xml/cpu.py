"""`<cpu>`."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class CellElement(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node of the guest; `cpus` as libvirt writes sets, memory in MiB."""

    id: int
    cpus: str
    memory_mib: int
    shared: bool = False

    def element(self) -> ET.Element:
        """The element."""
        access = "shared" if self.shared else None
        return node("cell", id_=self.id, cpus=self.cpus, memory=self.memory_mib, unit="MiB", memAccess=access)


class CpuElement(msgspec.Struct, frozen=True, kw_only=True):
    """A CPU by mode, or by model where the mode is `custom`."""

    mode: str
    model: str = ""
    match: str = ""
    check: str = ""

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "cpu",
            node("model", text=self.model, fallback="forbid") if self.model else None,
            mode=self.mode,
            match=self.match or None,
            check=self.check or None,
        )


def topology(sockets: int, cores: int, threads: int) -> ET.Element:
    """How the vCPUs are arranged."""
    return node("topology", sockets=sockets, dies=1, cores=cores, threads=threads)


def feature(name: str, policy: str) -> ET.Element:
    """A feature that is added (`require`) or taken away (`disable`)."""
    return node("feature", policy=policy, name=name)


def numa(cells: Sequence[CellElement]) -> ET.Element:
    """The guest's NUMA nodes."""
    return node("numa", *(cell.element() for cell in cells))

"""What a domain has of CPUs and memory, and which of the host's."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class MemoryElements(msgspec.Struct, frozen=True, kw_only=True):
    """MiB. `now`: what the guest has of it; `most` and `slots`: what can be plugged in; `limit`: what QEMU may use. Zeros are
    left out.
    """

    whole: int
    now: int
    most: int = 0
    slots: int = 0
    limit: int = 0
    page: int = 0
    """The size of huge pages."""
    shared: bool = False
    locked: bool = False

    def elements(self) -> Iterator[ET.Element]:
        """Those of `<domain>`."""
        if self.slots:
            yield node("maxMemory", text=self.most, slots=self.slots, unit="MiB")
        yield node("memory", text=self.whole, unit="MiB")
        yield node("currentMemory", text=self.now, unit="MiB")
        if self.limit:
            yield node("memtune", node("hard_limit", text=self.limit, unit="MiB"))
        backing = list(self._backing())
        if backing:
            yield node("memoryBacking", *backing)

    def _backing(self) -> Iterator[ET.Element]:
        if self.page:
            yield node("hugepages", node("page", size=self.page, unit="M"))
        if self.locked:
            yield node("locked")
        if self.shared:
            yield node("source", type_="memfd")
            yield node("access", mode="shared")


class TuneElements(msgspec.Struct, frozen=True, kw_only=True):
    """`pins`: the host's CPUs for each vCPU, `emulator` for QEMU's own threads; `nodes`: (the guest's node, or -1 for all its
    memory, the host's node). Empty is left out.
    """

    shares: int = 0
    pins: tuple[str, ...] = ()
    emulator: str = ""
    nodes: tuple[tuple[int, int], ...] = ()

    def elements(self) -> Iterator[ET.Element]:
        """Those of `<domain>`."""
        parts = [node("shares", text=self.shares)] if self.shares else []
        parts += [node("vcpupin", vcpu=number, cpuset=cpus) for number, cpus in enumerate(self.pins)]
        parts += [node("emulatorpin", cpuset=self.emulator)] if self.emulator else []
        if parts:
            yield node("cputune", *parts)
        if self.nodes:
            every = ",".join(str(host) for host in sorted({host for _, host in self.nodes}))
            yield node("numatune", node("memory", mode="strict", nodeset=every), *self._cells())

    def _cells(self) -> Iterator[ET.Element]:
        return (node("memnode", cellid=cell, mode="strict", nodeset=host) for cell, host in self.nodes if cell >= 0)


class VcpuElement(msgspec.Struct, frozen=True, kw_only=True):
    """`most` can be plugged in."""

    now: int
    most: int

    def element(self) -> ET.Element:
        """The element."""
        return node("vcpu", text=self.most, placement="static", current=self.now if self.now < self.most else None)

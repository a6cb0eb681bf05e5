"""`<disk>`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node

_WAYS = tuple(f"{way}_{what}_sec" for what in ("bytes", "iops") for way in ("total", "read", "write"))
LIMITS = (*_WAYS, *(f"{way}_max" for way in _WAYS), "size_iops_sec", *(f"{way}_max_length" for way in _WAYS))
"""In the order of libvirt's schema, which validators mind."""


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
    iothread: int = 0
    queues: int = 0
    limits: tuple[tuple[str, int], ...] = ()
    """Throttles, in libvirt's words."""
    boot_order: int = 0

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "disk",
            self._driver(),
            self._source(),
            node("target", dev=self.target, bus=self.bus),
            node("iotune", *self._limits()) if self.limits else None,
            node("readonly") if self.readonly else None,
            node("shareable") if self.shareable else None,
            node("serial", text=self.serial) if self.serial else None,
            node("boot", order=self.boot_order) if self.boot_order else None,
            type_="block" if self.block else "file",
            device=self.device,
        )

    def _source(self) -> ET.Element | None:
        """An empty CD drive has none."""
        if not self.source:
            return None
        return node("source", dev=self.source) if self.block else node("source", file=self.source)

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
            iothread=self.iothread or None,
            queues=self.queues or None,
        )

    def _limits(self) -> Iterator[ET.Element]:
        ordered = sorted(self.limits, key=lambda limit: LIMITS.index(limit[0]))
        return (node(name, text=value) for name, value in ordered)

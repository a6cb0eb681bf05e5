"""`<cpu>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node


class CpuElement(msgspec.Struct, frozen=True, kw_only=True):
    """A CPU by mode, or by model where the mode is `custom`; `without` are features to take away."""

    mode: str
    model: str = ""
    match: str = ""
    check: str = ""
    without: tuple[str, ...] = ()

    def element(self) -> ET.Element:
        """The element."""
        return node(
            "cpu",
            node("model", text=self.model, fallback="forbid") if self.model else None,
            *(node("feature", policy="disable", name=name) for name in self.without),
            mode=self.mode,
            match=self.match or None,
            check=self.check or None,
        )

"""What a simulated domain's definition would be, had it been told to libvirt."""

from __future__ import annotations

from xml.sax.saxutils import escape

import msgspec

from nebula.drivers.hypervisor.libvirt.design import domain_xml
from nebula.model.domain import DomainSpec


def definition(uuid: str, name: str, spec: DomainSpec | None) -> str:
    """The XML, without passwords; of a domain that somebody else made there is little to say."""
    if spec is None:
        return f"<domain type='kvm'>\n  <name>{escape(name)}</name>\n  <uuid>{uuid}</uuid>\n</domain>\n"
    screen = spec.graphics and msgspec.structs.replace(spec.graphics, password="")
    return domain_xml(msgspec.structs.replace(spec, graphics=screen))

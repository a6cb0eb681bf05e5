"""Elements that people give, put into a definition."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.xml.tree import parse

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
ET.register_namespace("qemu", QEMU)
JOINED = frozenset({"devices", "features", "cpu", "os", "clock", "cputune", "numatune", "memoryBacking", "memtune", "pm"})
"""Elements whose content joins ours; any other takes the place of ours."""


def elements(text: str, what: str) -> tuple[ET.Element, ...]:
    """Elements that stand side by side; UsageError naming `what` if the text is no XML."""
    return tuple(parse(f'<domain xmlns:qemu="{QEMU}">{text}</domain>', what)) if text else ()


def join(domain: ET.Element, given: Sequence[ET.Element]) -> ET.Element:
    """The domain with these elements."""
    for element in given:
        own = domain.find(element.tag)
        if own is None:
            domain.append(element)
        elif element.tag in JOINED:
            own.attrib.update(element.attrib)
            own.extend(list(element))
        else:
            domain[list(domain).index(own)] = element
    return domain

"""Our mark in a domain's metadata: `<nebula:vm xmlns:nebula="https://nebula.invalid/1" id="7"/>`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse

NAMESPACE = "https://nebula.invalid/1"
ET.register_namespace("nebula", NAMESPACE)


def mark(vm_id: int) -> ET.Element:
    """The mark of VM `vm_id`."""
    return node(f"{{{NAMESPACE}}}vm", id_=vm_id)


def vm_id_of(text: str) -> int | None:
    """The VM's id from a mark as libvirt returns it; None if that is not one of ours."""
    number = parse(text, "a domain's metadata").get("id", "")
    return int(number) if number.isdecimal() else None

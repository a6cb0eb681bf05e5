"""Whose a guest's files are.

libvirt gives them to its QEMU's user when a guest starts or arrives, and takes them back when it leaves. On storage that two
hosts see, a libvirt whose QEMU is root would so take a disk from the other host's QEMU: before a guest arrives from there, and
after it went there. A QEMU that is root needs to own nothing, so its libvirt is told to leave all disks to their owner.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import parse, write

_ROOT = "+0:+0"


def leaves_owners(session: Session) -> bool:
    """Whether this host's libvirt is to leave disks to their owner."""
    return qemu_is_root(session.conn.getCapabilities())


def qemu_is_root(capabilities: str) -> bool:
    """Whether a host's QEMU runs as root, by what its libvirt says of itself."""
    root = parse(capabilities, "libvirt's capabilities")
    labels = [
        (label.text or "").strip()
        for model in root.iterfind("host/secmodel")
        if model.findtext("model") == "dac"
        for label in model.iterfind("baselabel")
    ]
    return bool(labels) and all(label == _ROOT for label in labels)


def owned_otherwise(text: str, leave: bool) -> bool:
    """Whether the definition says anything else about the owner of a disk."""
    return any((_label(source) is not None) != leave for source in _sources(parse(text, "a domain's definition")))


def with_owners(text: str, leave: bool) -> str:
    """The definition with all disks left to their owner, or none."""
    root = parse(text, "a domain's definition")
    for source in _sources(root):
        label = _label(source)
        if label is not None:
            source.remove(label)
        if leave:
            ET.SubElement(source, "seclabel", {"model": "dac", "relabel": "no"})
    return write(root)


def _sources(root: Any) -> list[Any]:
    """The disks' files, and those on which they lie."""
    return list(root.iterfind("devices/disk//source"))


def _label(source: Any) -> Any:
    return next((label for label in source.iterfind("seclabel") if label.get("model") == "dac"), None)

"""Whose a guest's files are.

libvirt gives them to its QEMU's user when a guest starts or arrives, and takes them back when it leaves. On storage that two
hosts see, a libvirt whose QEMU is root would so take a disk from the other host's QEMU: before a guest arrives from there, and
after it went there. A QEMU that is root needs to own nothing, so its libvirt is told to leave all disks to their owner. Domains
that somebody else made were not defined so: what that libvirt took of them is given back after their first migration.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.disk import is_remote, source_element
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write

ROOT = "0:0"
"""As chown takes it."""


def leaves_owners(session: Session) -> bool:
    """Whether this host's libvirt is to leave disks to their owner."""
    return qemu_is_root(session.conn.getCapabilities())


def source_of(session: Session, path: str) -> ET.Element:
    """A file as the source of a disk, for a running domain that is given it. Without its label libvirt would take the file when
    the guest leaves, and the QEMU that has it then could not open it another time: its next migration would fail at its end.
    """
    source = source_element(path)
    if not is_remote(path) and leaves_owners(session):
        source.append(_left())
    return source


def qemu_is_root(capabilities: str) -> bool:
    """Whether a host's QEMU runs as root, by what its libvirt says of itself."""
    found = owners(capabilities)
    return bool(found) and all(owner == ROOT for owner in found)


def given(session: Session, uuid: str) -> tuple[str, list[str]]:
    """Whose the files of a running domain's disks are to be here, and these files; none where QEMU is root."""
    found = set(owners(session.conn.getCapabilities()))
    domain = domains.find(session, uuid)
    if len(found) != 1 or found == {ROOT} or domain is None or not domain.isActive():
        return "", []
    live = parse(domain.XMLDesc(0), "a domain's definition")
    files = [source.get("file", "") for source in _sources(live) if _label(source) is None]
    return found.pop(), [file for file in files if file]


def owners(capabilities: str) -> list[str]:
    """Who QEMU is (uid:gid), for each kind of virtualisation."""
    return [
        (label.text or "").strip().replace("+", "")
        for model in parse(capabilities, "libvirt's capabilities").iterfind("host/secmodel")
        if model.findtext("model") == "dac"
        for label in model.iterfind("baselabel")
    ]


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
            source.append(_left())
    return write(root)


def _left() -> ET.Element:
    return node("seclabel", model="dac", relabel="no")


def _sources(root: Any) -> list[Any]:
    """The disks' files, and those on which they lie; what is reached over the network belongs to nobody on a host."""
    return [source for source in root.iterfind("devices/disk//source") if not source.get("protocol")]


def _label(source: Any) -> Any:
    return next((label for label in source.iterfind("seclabel") if label.get("model") == "dac"), None)

"""A running domain's CD gets another content."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.ownership import source_of
from nebula.drivers.hypervisor.libvirt.xml.tree import parse, write


def renew(session: Session, domain: Any, path: str) -> bool:
    """See Hypervisor.renew_medium. The same path again is no change to libvirt, nor to the guest: so the CD is taken out
    first, whether or not the guest has it mounted, and put in again.
    """
    lib = session.lib
    if not domain.isActive():
        return False
    target = _target(parse(domain.XMLDesc(lib.VIR_DOMAIN_XML_INACTIVE), "a domain's definition"), path)
    live = parse(domain.XMLDesc(0), "a domain's definition")
    target = _target(live, path) or target
    drive = live.find(f"devices/disk[@device='cdrom']/target[@dev='{target}']/..") if target else None
    if drive is None:
        return False
    flags = lib.VIR_DOMAIN_AFFECT_LIVE | lib.VIR_DOMAIN_DEVICE_MODIFY_FORCE
    empty = _emptied(drive)
    domain.updateDeviceFlags(write(empty), flags)
    full = copy.deepcopy(empty)
    full.append(source_of(session, path))
    domain.updateDeviceFlags(write(full), flags)
    return True


def _target(domain: ET.Element, path: str) -> str:
    """The name in the guest of the CD that is that file."""
    for drive in domain.iterfind("devices/disk[@device='cdrom']"):
        source, target = drive.find("source"), drive.find("target")
        if source is not None and target is not None and source.get("file") == path:
            return target.get("dev", "")
    return ""


def _emptied(drive: ET.Element) -> ET.Element:
    """The drive as it is, without a medium."""
    empty = copy.deepcopy(drive)
    for name in ("source", "backingStore"):
        for part in empty.findall(name):
            empty.remove(part)
    return empty

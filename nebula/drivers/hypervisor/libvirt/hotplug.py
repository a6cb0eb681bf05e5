"""Devices that come and go while a domain runs, and its size: in the running domain and in its definition alike.

Every function looks before it acts, so it may be called again. A guest takes part in an unplugging: it is asked, and asked
again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.design import disk, interface, is_q35
from nebula.drivers.hypervisor.libvirt.domains import require
from nebula.drivers.hypervisor.libvirt.ownership import leaves_owners, source_of, with_owners
from nebula.drivers.hypervisor.libvirt.xml.disk import kind_of, same_source
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write
from nebula.errors import ConflictError
from nebula.model.domain import DomainSpec

_UNDER_WAY = "in the process of unplug"
"""QEMU's words for a device that the guest was asked for before."""


def attach_disk(session: Session, spec: DomainSpec, disk_id: int, host: str) -> None:
    """See Hypervisor.attach_disk."""
    domain = _running(session, spec.uuid, host)
    given = next(item for item in spec.disks if item.disk_id == disk_id)
    whole = node("domain", node("devices", disk(given, q35=is_q35(spec)).element()))
    owned = parse(with_owners(write(whole), leaves_owners(session)), "a disk").find("devices/disk")
    _attach(session, domain, owned, lambda root: _disk(root, given.target))


def detach_disk(session: Session, uuid: str, target: str, host: str) -> bool:
    """See Hypervisor.detach_disk."""
    return _detach(session, require(session, uuid, host), lambda root: _disk(root, target))


def load_cd(session: Session, uuid: str, target: str, path: str, host: str) -> None:
    """See Hypervisor.load_cd."""
    domain = _running(session, uuid, host)
    for flag in _both(session):
        drive = _disk(_definition(session, domain, flag), target)
        if drive is None or drive.get("device") != "cdrom":
            raise ConflictError(f"domain {domain.name()} on host {host} has no CD drive {target}")
        if not same_source(drive.find("source"), path):
            medium = source_of(session, path) if path else None
            full = _holding(drive, kind_of(path), medium)
            domain.updateDeviceFlags(full, flag | session.lib.VIR_DOMAIN_DEVICE_MODIFY_FORCE)


def attach_card(session: Session, spec: DomainSpec, nic_id: int, host: str) -> None:
    """See Hypervisor.attach_card."""
    given = next(item for item in spec.interfaces if item.nic_id == nic_id)
    element = interface(given).element()
    _attach(session, _running(session, spec.uuid, host), element, lambda root: _card(root, given.mac))


def detach_card(session: Session, uuid: str, mac: str, host: str) -> bool:
    """See Hypervisor.detach_card."""
    return _detach(session, require(session, uuid, host), lambda root: _card(root, mac))


def update_card(session: Session, spec: DomainSpec, nic_id: int, host: str) -> None:
    """See Hypervisor.update_card."""
    domain = _running(session, spec.uuid, host)
    given = next(item for item in spec.interfaces if item.nic_id == nic_id)
    wanted = interface(given).element().find("bandwidth")
    for flag in _both(session):
        card = _card(_definition(session, domain, flag), given.mac)
        if card is None:
            raise ConflictError(f"domain {domain.name()} on host {host} has no card {given.mac}")
        old = card.find("bandwidth")
        if old is not None:
            card.remove(old)
        card.append(wanted if wanted is not None else node("bandwidth"))
        domain.updateDeviceFlags(write(card), flag)


def resize_disk(session: Session, uuid: str, target: str, size: int, host: str) -> None:
    """See Hypervisor.resize_disk."""
    domain = _running(session, uuid, host)
    if domain.blockInfo(target)[0] < size:
        domain.blockResize(target, size, session.lib.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def _attach(session: Session, domain: Any, element: Any, look: Any) -> None:
    for flag in _both(session):
        if look(_definition(session, domain, flag)) is None:
            domain.attachDeviceFlags(write(element), flag)


def _detach(session: Session, domain: Any, look: Any) -> bool:
    live, config = _both(session)
    if domain.isActive():
        found = look(_definition(session, domain, live))
        if found is not None:
            _ask(session, domain, write(found), live)
        if look(_definition(session, domain, live)) is not None:
            return False
    found = look(_definition(session, domain, config))
    if found is not None:
        domain.detachDeviceFlags(write(found), config)
    return True


def _ask(session: Session, domain: Any, xml: str, flag: int) -> None:
    try:
        domain.detachDeviceFlags(xml, flag)
    except session.lib.libvirtError as error:
        gone = error.get_error_code() == session.lib.VIR_ERR_DEVICE_MISSING
        if not gone and _UNDER_WAY not in str(error):
            raise


def _both(session: Session) -> tuple[int, int]:
    return session.lib.VIR_DOMAIN_AFFECT_LIVE, session.lib.VIR_DOMAIN_AFFECT_CONFIG


def _definition(session: Session, domain: Any, flag: int) -> ET.Element:
    inactive = session.lib.VIR_DOMAIN_XML_INACTIVE if flag == session.lib.VIR_DOMAIN_AFFECT_CONFIG else 0
    return parse(domain.XMLDesc(inactive | session.lib.VIR_DOMAIN_XML_SECURE), "a domain's definition")


def _disk(root: ET.Element, target: str) -> ET.Element | None:
    return next((found for found in root.iterfind("devices/disk") if _names(found, "target", "dev", target)), None)


def _card(root: ET.Element, mac: str) -> ET.Element | None:
    return next((found for found in root.iterfind("devices/interface") if _names(found, "mac", "address", mac)), None)


def _names(element: ET.Element, child: str, attribute: str, value: str) -> bool:
    found = element.find(child)
    return found is not None and found.get(attribute) == value


def _holding(drive: ET.Element, kind: str, medium: ET.Element | None) -> str:
    """The drive with a medium of that kind in it; of what it held before nothing is told."""
    copy = ET.Element(drive.tag, drive.attrib)
    copy.extend(_without_medium(drive))
    copy.set("type", kind)
    if medium is not None:
        copy.append(medium)
    return write(copy)


def _without_medium(drive: ET.Element) -> Iterator[ET.Element]:
    return (child for child in drive if child.tag not in {"source", "backingStore", "auth"})


def _running(session: Session, uuid: str, host: str) -> Any:
    domain = require(session, uuid, host)
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: it takes no device")
    return domain

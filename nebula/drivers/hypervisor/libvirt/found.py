"""Domains that others made: read from their definition, started as they are defined, their files deleted on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import ConflictError
from nebula.model.found import FoundCard, FoundDisk, FoundDomain

_QCOW2 = b"QFI\xfb"
_SOURCES = ("file", "dev", "dir", "name", "volume")
_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KB": 1000 / 1024, "k": 1, "KiB": 1, "MB": 1e6 / 1024, "M": 1024, "MiB": 1024}
_KIB |= {"GB": 1e9 / 1024, "G": 1 << 20, "GiB": 1 << 20, "TB": 1e12 / 1024, "T": 1 << 30, "TiB": 1 << 30}


def inspect(session: Session, uuid: str, host: str) -> FoundDomain:
    """See Hypervisor.inspect. What would be there at the next start counts, except for what a running guest has now."""
    domain = domains.require(session, uuid, host)
    now = domains.reality(session, domain)
    root = parse(domain.XMLDesc(0), "a domain's definition")
    return FoundDomain(
        uuid=now.uuid,
        name=now.name,
        state=now.state,
        reason=now.reason,
        persistent=now.persistent,
        incoming=now.incoming,
        saved=now.saved,
        memory_mib=max(1, memory_of(root)),
        vcpus=int(root.findtext("vcpu", "1") or 1),
        title=root.findtext("title", ""),
        description=root.findtext("description", ""),
        disks=tuple(map(disk_of, root.iterfind("devices/disk"))),
        cards=tuple(map(card_of, root.iterfind("devices/interface"))),
        graphics=graphics_of(root),
    )


def memory_of(root: ET.Element) -> int:
    """MiB of the most that the guest may have."""
    element = root.find("memory")
    if element is None:
        return 0
    return round(int(element.text or 0) * _KIB.get(element.get("unit", "KiB"), 1) / 1024)


def disk_of(element: ET.Element) -> FoundDisk:
    """One `<disk>`."""
    source, target, driver = element.find("source"), element.find("target"), element.find("driver")
    named = (source.get(key) for key in _SOURCES) if source is not None else ()
    return FoundDisk(
        target=target.get("dev", "") if target is not None else "",
        path=next((name for name in named if name), ""),
        type=element.get("type", "file"),
        device=element.get("device", "disk"),
        bus=target.get("bus", "") if target is not None else "",
        format=driver.get("type", "raw") if driver is not None else "raw",
        readonly=element.find("readonly") is not None,
    )


def card_of(element: ET.Element) -> FoundCard:
    """One `<interface>`."""
    mac, source, model = element.find("mac"), element.find("source"), element.find("model")
    named = (source.get(key) for key in ("bridge", "network", "dev", "portgroup")) if source is not None else ()
    return FoundCard(
        mac=mac.get("address", "") if mac is not None else "",
        source=next((name for name in named if name), ""),
        type=element.get("type", ""),
        model=model.get("type", "") if model is not None else "",
    )


def graphics_of(root: ET.Element) -> str:
    """The kind of its graphical console that we can lead to."""
    kinds = [element.get("type", "") for element in root.iterfind("devices/graphics")]
    return next((kind for kind in kinds if kind in {"vnc", "spice"}), "")


def start_defined(session: Session, uuid: str, host: str) -> None:
    """See Hypervisor.start_defined."""
    domain = domains.require(session, uuid, host)
    if domain.isActive():
        domains.refuse_remains(domains.reality(session, domain), host)
        return
    try:
        domain.create()
    except session.lib.libvirtError:
        if not domain.isActive():
            raise


def files(session: Session) -> dict[str, str]:
    """Path -> a domain of the host, on or off, that has it as a disk; of one that is on, with all that lies below its disks."""
    found: dict[str, str] = {}
    for domain in session.conn.listAllDomains():
        with domains.vanished(session):
            definition = parse(domain.XMLDesc(0), "a domain's definition")
            found |= {element.get("file", ""): domain.name() for element in definition.iterfind("devices//source")}
    return {path: name for path, name in found.items() if path.startswith("/")}


def delete_files(handle: HostHandle, paths: Sequence[str], used: Mapping[str, str]) -> None:
    """See Hypervisor.delete_files; `used` is what `files` said."""
    if not paths:
        return
    refuse_used(paths, used, handle.name)
    refuse_used(paths, _below(handle, used), handle.name)
    handle.transport.run(["rm", "-f", "--", *paths], root=True)


def _below(handle: HostHandle, used: Mapping[str, str]) -> dict[str, str]:
    """The files on which those lie, which libvirt does not say of domains that are off, with the same domains."""
    found: dict[str, str] = {}
    for path, name in used.items():
        head = handle.transport.run(["head", "-c", "4", "--", path], root=True, check=False)
        if head.status == 0 and head.stdout == _QCOW2:
            asked = ["qemu-img", "info", "-f", "qcow2", "-U", "--backing-chain", "--output=json", path]
            told = handle.transport.run(asked, root=True, check=False)
            found |= {str(layer["filename"]): name for layer in (json.loads(told.stdout) if told.status == 0 else [])[1:]}
    return found


def refuse_used(paths: Sequence[str], used: Mapping[str, str], host: str) -> None:
    """ConflictError if a domain has one of the files."""
    for path in paths:
        if path in used:
            raise ConflictError(
                f"{path} on host {host} is not deleted",
                cause=f"domain {used[path]} has it as a disk, too, or one that lies on it",
                hint=f"virsh domblklist {used[path]}   (on {host})",
            )

"""`<disk>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from nebula.drivers.hypervisor.libvirt.xml.tree import node
from nebula.model.iscsi import is_iscsi
from nebula.model.iscsi import parse as parse_iscsi
from nebula.model.rbd import is_rbd
from nebula.model.rbd import parse as parse_rbd

_WAYS = tuple(f"{way}_{what}_sec" for what in ("bytes", "iops") for way in ("total", "read", "write"))
LIMITS = (*_WAYS, *(f"{way}_max" for way in _WAYS), "size_iops_sec", *(f"{way}_max_length" for way in _WAYS))
"""In the order of libvirt's schema, which validators mind."""


def kind_of(path: str) -> str:
    """The type of a disk with that source."""
    return "network" if is_remote(path) else "block" if is_device(path) else "file"


def is_remote(path: str) -> bool:
    """Whether QEMU reaches it over the network, so that it is no file of the host's."""
    return is_rbd(path) or is_iscsi(path)


def is_device(path: str) -> bool:
    """Whether the path is a block device of the host."""
    return path.startswith("/dev/")


def source_element(path: str) -> ET.Element:
    """`<source>`: a file, a block device of the host, or an RBD image or a LUN, whose key libvirt has as a secret."""
    if is_rbd(path):
        return _rbd(path)
    if is_iscsi(path):
        return _iscsi(path)
    return node("source", dev=path) if is_device(path) else node("source", file=path)


def _rbd(path: str) -> ET.Element:
    rbd = parse_rbd(path)
    hosts = (_host(host) for host in rbd.hosts)
    auth = node("auth", node("secret", type_="ceph", uuid=rbd.secret), username=rbd.user) if rbd.user else None
    conf = node("config", file=rbd.conf) if rbd.conf else None
    return node("source", *hosts, conf, auth, protocol="rbd", name=rbd.name)


def _iscsi(path: str) -> ET.Element:
    lun = parse_iscsi(path)
    name, port = lun.portal
    secret = node("secret", type_="iscsi", uuid=lun.secret or None, usage=lun.usage or None)
    auth = node("auth", secret, username=lun.user) if lun.user else None
    return node("source", node("host", name=name, port=port), auth, protocol="iscsi", name=lun.name)


def _host(text: str) -> ET.Element:
    """A monitor: its port is Ceph's own unless it is told."""
    found = re.fullmatch(r"(\[.*\]|[^:]*)(?::(\d+))?", text)
    name, port = (found[1].strip("[]"), found[2]) if found else (text, None)
    return node("host", name=name, port=port or 6789)


def same_source(source: ET.Element | None, path: str) -> bool:
    """Whether a disk's `<source>` is what the path says; "" is a drive with nothing in it."""
    if source is None:
        return not path
    if is_rbd(path):
        return source.get("protocol") == "rbd" and source.get("name") == parse_rbd(path).name
    if is_iscsi(path):
        return source.get("protocol") == "iscsi" and source.get("name") == parse_iscsi(path).name
    return source.get("dev" if is_device(path) else "file", "") == path


class DiskElement(msgspec.Struct, frozen=True, kw_only=True):
    """A disk or CD that is a file, a block device on the host, an RBD image or a LUN; empty values are left out."""

    source: str
    target: str
    bus: str
    format: str
    device: Literal["disk", "cdrom"] = "disk"
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
            type_=kind_of(self.source),
            device=self.device,
        )

    def _source(self) -> ET.Element | None:
        """An empty CD drive has none."""
        return source_element(self.source) if self.source else None

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

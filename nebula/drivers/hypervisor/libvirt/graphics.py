"""Where a running domain serves its graphical console."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import ConflictError, NotFoundError

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened on
"""Where to knock on the host when it listens everywhere."""


def address_of(domain: Any, host: str) -> tuple[str, str, int]:
    """(type, address, port); NotFoundError if it has none, ConflictError if it is off."""
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: it has no graphical console now")
    found = of_xml(domain.XMLDesc())
    if found is None:
        raise NotFoundError(
            f"domain {domain.name()} on host {host} has no graphical console",
            hint="give the VM a GRAPHICS section, then start it again",
        )
    return found


def of_xml(text: str) -> tuple[str, str, int] | None:
    """The same from a running domain's definition; None without an open port."""
    for element in parse(text, "a domain's definition").iterfind("devices/graphics"):
        port = int(element.get("port", "-1"))
        if port > 0:
            return element.get("type", ""), _address(element), port
    return None


def _address(element: ET.Element) -> str:
    listen = element.find("listen[@type='address']")
    given = (listen.get("address") if listen is not None else None) or element.get("listen") or "127.0.0.1"
    return ANYWHERE.get(given, given)

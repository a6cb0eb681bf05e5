"""A LUN that QEMU reaches by its own iSCSI initiator, as the text that stands where other storage has a path."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import msgspec

_BEGIN = "iscsi:"
NAME = r"(?:iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.:_-]{1,200}|eui\.[0-9A-Fa-f]{16}|naa\.[0-9A-Fa-f]{16,32})"
"""A target's name, as RFC 3720 has it."""
_TEXT = re.compile(rf"iscsi:({NAME})/([0-9]{{1,5}})(?:\?(.*))?")
PORT = 3260


class IscsiSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where QEMU finds the LUN: `host` is the portal (`name` or `name:port`); one of `secret`, a UUID, and `usage`, a name,
    says which secret of libvirt's has the user's password.
    """

    target: str
    lun: int
    host: str
    user: str = ""
    secret: str = ""
    usage: str = ""

    @property
    def name(self) -> str:
        """As libvirt names it."""
        return f"{self.target}/{self.lun}"

    @property
    def portal(self) -> tuple[str, int]:
        """The portal's name or address, and its port."""
        found = re.fullmatch(r"(\[.*\]|[^:]*)(?::([0-9]+))?", self.host)
        name, port = (found[1].strip("[]"), found[2]) if found else (self.host, None)
        return name, int(port or PORT)

    @property
    def text(self) -> str:
        """iscsi:TARGET/LUN?host=…&user=…&secret=…; `parse` reads it."""
        told = [("host", self.host), ("user", self.user), ("secret", self.secret), ("usage", self.usage)]
        return f"{_BEGIN}{self.name}?{urlencode([pair for pair in told if pair[1]], safe=':/[]')}"


def is_iscsi(path: str) -> bool:
    """Whether the path is no file but such a text."""
    return path.startswith(_BEGIN)


def parse(text: str) -> IscsiSource:
    """The source that a text tells of; ValueError for what is none."""
    found = _TEXT.fullmatch(text)
    told = dict(parse_qsl(found[3] or "")) if found else {}
    if not found or not told.get("host"):
        raise ValueError(f"{text[:80]!r} names no LUN")
    words = {name: told.get(name, "") for name in ("host", "user", "secret", "usage")}
    return IscsiSource(target=found[1], lun=int(found[2]), **words)

"""A block device of Ceph's (RBD) as the text that stands where other storage has a path."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import msgspec

_BEGIN = "rbd:"
_TEXT = re.compile(r"rbd:([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)(?:\?(.*))?")


class RbdSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where QEMU finds the device. `secret` is the UUID of libvirt's secret with the user's key; `hosts` are monitors
    (`name` or `name:port`), none: those of `conf`, a file on the host, and without one Ceph's own default.
    """

    pool: str
    image: str
    user: str = ""
    secret: str = ""
    hosts: tuple[str, ...] = ()
    conf: str = ""

    @property
    def name(self) -> str:
        """As Ceph's tools name it."""
        return f"{self.pool}/{self.image}"

    @property
    def text(self) -> str:
        """rbd:POOL/IMAGE?user=…&secret=…&host=…; `parse` reads it."""
        told = [("user", self.user), ("secret", self.secret), *(("host", host) for host in self.hosts), ("conf", self.conf)]
        return f"{_BEGIN}{self.name}?{urlencode([pair for pair in told if pair[1]], safe=':/[]')}".rstrip("?")


def is_rbd(path: str) -> bool:
    """Whether the path is no file but such a text."""
    return path.startswith(_BEGIN)


def parse(text: str) -> RbdSource:
    """The source that a text tells of; ValueError for what is none."""
    found = _TEXT.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:80]!r} names no RBD image")
    told = parse_qsl(found[3] or "")
    one = dict(told)
    return RbdSource(
        pool=found[1],
        image=found[2],
        user=one.get("user", ""),
        secret=one.get("secret", ""),
        hosts=tuple(value for key, value in told if key == "host"),
        conf=one.get("conf", ""),
    )

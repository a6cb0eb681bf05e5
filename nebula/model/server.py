"""A server that is no host of ours, as people write it: [USER@]NAME[:PORT], an IPv6 address in brackets."""

from __future__ import annotations

import re

import msgspec

from nebula.errors import UsageError

_WRITTEN = re.compile(
    r"(?:(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63})@)?"
    r"(?:\[(?P<number>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,252}))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


class Server(msgspec.Struct, frozen=True):
    """An account on a server. `address`: a name or an IP address, without brackets. Printed, it reads the same again."""

    user: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.user}@{self.place}{f':{self.port}' if self.port != 22 else ''}"

    @property
    def place(self) -> str:
        """The address as it stands before a port or a path."""
        return f"[{self.address}]" if ":" in self.address else self.address


def server_of(text: str) -> Server:
    """What a person wrote; root and 22 where it says no user and no port. UsageError for what is no server."""
    found = _WRITTEN.fullmatch(text)
    port = int(found["port"] or 22) if found else 0
    if found is None or not 1 <= port <= 65535 or not _is_address(found["number"]):
        raise UsageError(
            f"{text[:80]!r} is no server",
            cause="it is written [USER@]NAME[:PORT], an IPv6 address in brackets",
            hint="--server backup@nas.home:22, or --server 'backup@[fd00::10]'",
        )
    return Server(found["user"] or "root", found["number"] or found["name"], port)


def _is_address(number: str | None) -> bool:
    import ipaddress

    if number is None:
        return True
    try:
        ipaddress.IPv6Address(number)
    except ValueError:
        return False
    return True

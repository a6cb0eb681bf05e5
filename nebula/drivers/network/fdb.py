"""Where a VXLAN device sends what is for everybody, or for somebody unknown: its forwarding entries without a MAC."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.drivers.network.names import check_device
from nebula.errors import CommandError

_EVERYBODY = "00:00:00:00:00:00"


class _Entry(msgspec.Struct, frozen=True):
    mac: str = ""
    dst: str = ""


def flooded(host: HostHandle, device: str) -> list[str]:
    """The addresses, sorted as text."""
    argv = ["bridge", "-j", "fdb", "show", "dev", check_device(device)]
    done = host.transport.run(argv, root=True)
    try:
        entries = typed.decode(done.stdout.strip() or b"[]", list[_Entry])
    except msgspec.MsgspecError as error:
        raise CommandError(
            host.name, argv, 0, f"not understood: {error}", hint="bridge -V   # iproute2 4.18 or later"
        ) from error
    return sorted({entry.dst for entry in entries if entry.mac == _EVERYBODY and entry.dst})


def set_flooded(host: HostHandle, device: str, wanted: Sequence[str]) -> None:
    """Exactly these. New ones come before others go, so nobody who stays misses anything."""
    there, peers = set(flooded(host, device)), {str(IPv4Address(peer)) for peer in wanted}
    words = (("append", sorted(peers - there)), ("delete", sorted(there - peers)))
    lines = [f"fdb {verb} {_EVERYBODY} dev {device} dst {peer}\n" for verb, some in words for peer in some]
    if lines:
        host.transport.run(["bridge", "-batch", "-"], stdin="".join(lines).encode("ascii"), root=True)

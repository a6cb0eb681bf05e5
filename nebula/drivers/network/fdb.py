"""Where a VXLAN device sends what is for everybody, or for somebody unknown: its forwarding entries without a MAC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    script = lines("append", device, peers - there) + lines("delete", device, there - peers)
    if script:
        host.transport.run(["bridge", "-batch", "-"], stdin=script, root=True)


def lines(verb: str, device: str, peers: Iterable[str]) -> bytes:
    """What `bridge -batch` is told to append or delete these."""
    told = (f"fdb {verb} {_EVERYBODY} dev {device} dst {IPv4Address(peer)}\n" for peer in sorted(peers))
    return "".join(told).encode("ascii")

"""What `ip` says of a host's devices, addresses and routes, and changes told to it in one go."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network
from typing import TypeVar

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.errors import CommandError


class LinkData(msgspec.Struct, frozen=True):
    """Of a tap: whether it outlives the process that holds it. Of a bridge the rest; the delay in hundredths of a second."""

    persist: bool = False
    link: str = ""
    """Of a tunnel the device that it goes through."""
    vlan_filtering: int = 0
    vlan_default_pvid: int = 1
    stp_state: int = 0
    forward_delay: int = 0


class LinkInfo(msgspec.Struct, frozen=True):
    """`info_kind`: bridge, tun, veth …; empty for hardware."""

    info_kind: str = ""
    info_data: LinkData = LinkData()


class Link(msgspec.Struct, frozen=True):
    """A network device."""

    ifname: str = ""
    ifalias: str = ""
    master: str = ""
    address: str = ""
    mtu: int = 0
    link: str = ""
    """The device that it is made of; of a VLAN, for example."""
    link_type: str = ""
    flags: tuple[str, ...] = ()
    linkinfo: LinkInfo = LinkInfo()

    @property
    def kind(self) -> str:
        """What it is: bridge, tun, veth …; empty for hardware."""
        return self.linkinfo.info_kind

    @property
    def up(self) -> bool:
        """Whether somebody switched it on."""
        return "UP" in self.flags


class Address(msgspec.Struct, frozen=True):
    """One address of a device. `peer`: the other end, where that has an address of its own; `dynamic`: for a time only."""

    family: str = ""
    local: str = ""
    prefixlen: int = 0
    scope: str = ""
    peer: str = msgspec.field(default="", name="address")
    broadcast: str = ""
    label: str = ""
    metric: int = 0
    dynamic: bool = False
    noprefixroute: bool = False
    deprecated: bool = False

    @property
    def interface(self) -> IPv4Interface:
        """As a value; only for family inet."""
        return IPv4Interface(f"{self.local}/{self.prefixlen}")


class Addresses(msgspec.Struct, frozen=True):
    """A device and its addresses."""

    ifname: str = ""
    addr_info: tuple[Address, ...] = ()


class Route(msgspec.Struct, frozen=True):
    """An IPv4 route; `dst` is "default", a network or an address."""

    dst: str = ""
    dev: str = ""
    table: str = "main"

    @property
    def network(self) -> IPv4Network:
        """Where it leads."""
        return IPv4Network("0.0.0.0/0" if self.dst == "default" else self.dst)


T = TypeVar("T")


def links(host: HostHandle) -> dict[str, Link]:
    """All devices of the host, by name."""
    return {link.ifname: link for link in _ask(host, ["-d", "link", "show"], list[Link]) if link.ifname}


def addresses(host: HostHandle) -> dict[str, list[Address]]:
    """Addresses of each device that has some."""
    listed = _ask(host, ["address", "show"], list[Addresses])
    return {entry.ifname: list(entry.addr_info) for entry in listed if entry.addr_info}


def routes(host: HostHandle) -> list[Route]:
    """IPv4 routes of all tables that lead anywhere."""
    return [route for route in _ask(host, ["-4", "route", "show", "table", "all", "type", "unicast"], list[Route]) if route.dst]


def route_lines(host: HostHandle, family: int) -> list[str]:
    """All routes of IPv4 or IPv6, a line each, as `ip` takes them, too."""
    argv = ["ip", f"-{family}", "-o", "route", "show", "table", "all"]
    return [line for line in host.transport.run(argv, root=True).text.splitlines() if line.strip()]


def batch(host: HostHandle, lines: Sequence[str]) -> None:
    """Have `ip` follow the lines; the first that fails ends it (CommandError)."""
    host.transport.run(["ip", "-batch", "-"], stdin=_script(lines), root=True)


def batch_locked(host: HostHandle, lines: Sequence[str]) -> str:
    """Follow the lines while nobody else does on this host, going on after failures; what `ip` complained of.

    For what two jobs may do at once, where only the end counts: the caller looks at that.
    """
    argv = ["flock", "-w", "27", f"{host.root}/network.lock", "ip", "-force", "-batch", "-"]
    return host.transport.run(argv, stdin=_script(lines), root=True, check=False).stderr.decode("utf-8", "replace")


def _script(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _ask(host: HostHandle, arguments: Sequence[str], shape: type[T]) -> T:
    argv = ["ip", "-j", *arguments]
    done = host.transport.run(argv, root=True)
    try:
        return typed.decode(done.stdout.strip() or b"[]", shape)
    except msgspec.MsgspecError as error:
        raise CommandError(host.name, argv, 0, f"not understood: {error}", hint="ip -V   # iproute2 4.18 or later") from error

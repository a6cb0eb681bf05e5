"""Private subnets: one that is free, and whether one is taken on a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Interface, IPv4Network

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Address, Route, addresses, routes
from nebula.errors import CapacityError, ConflictError, UsageError
from nebula.model.network import NetworkSpec

_STEP = 1 << 8
"""Addresses of a /24."""
_SPACE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
_FIRST = IPv4Network("10.64.0.0/24")
"""Where the search begins: away from 10.0.x, which routers and clouds hand out."""
_NARROWEST_DEFAULT = 8
"""Routes wider than this (0.0.0.0/0, and the two halves that VPNs set) lead everywhere and take nothing."""


class Taken(msgspec.Struct, frozen=True):
    """A network that the host knows already, and through which device."""

    network: IPv4Network
    device: str


def choose_subnet(taken: Sequence[IPv4Network]) -> IPv4Network:
    """The first private /24 that overlaps with none of `taken`: from 10.64.0.0 up, then the rest of 10/8, 172.16/12
    and 192.168/16. Always the same for the same `taken`; CapacityError if all are.
    """
    blocks = sorted((int(net.network_address), int(net.broadcast_address)) for net in taken)
    for first, last in _search_order():
        found = _first_gap(first, last, blocks)
        if found is not None:
            return IPv4Network((found, 24))
    raise CapacityError("every private subnet is taken", hint="nebula network create NAME --nat --gateway ADDRESS --prefix N")


def gateway_subnet(network: NetworkSpec) -> IPv4Network:
    """The subnet of a network whose gateway the hosts are; UsageError if its gateway does not say one."""
    way = "--routed" if network.routed else "--nat"
    try:
        interface = IPv4Interface(f"{network.gateway}/{network.prefix_length}")
    except ValueError as error:
        raise UsageError(
            f"the hosts are the gateway of network {network.name}, which has no sound IPv4 gateway",
            cause=str(error),
            hint=f"nebula network create {network.name} {way} --gateway 10.64.0.1 --prefix 24",
        ) from error
    if not 8 <= network.prefix_length <= 30:
        raise UsageError(
            f"the prefix length of such a network ({way}) is 8 to 30, not {network.prefix_length}", hint="--prefix 24 is usual"
        )
    return interface.network


def host_subnets(host: HostHandle, except_device: str = "") -> list[Taken]:
    """IPv4 networks that the host has addresses in or routes to, other than through `except_device`."""
    return known_subnets(addresses(host), routes(host), except_device)


def known_subnets(addressed: dict[str, list[Address]], routed: Iterable[Route], except_device: str = "") -> list[Taken]:
    """The same from what was read already."""
    found = {Taken(route.network, route.dev) for route in routed if route.network.prefixlen >= _NARROWEST_DEFAULT}
    for device, listed in addressed.items():
        found |= {Taken(address.interface.network, device) for address in listed if address.family == "inet"}
    return sorted((one for one in found if one.device != except_device), key=lambda one: (one.network, one.device))


def check_free(host: HostHandle, network: NetworkSpec, subnet: IPv4Network, taken: Sequence[Taken]) -> None:
    """ConflictError if the network's subnet, in which the host is to have an address, overlaps with one of `taken`."""
    for one in taken:
        if one.network.overlaps(subnet):
            raise ConflictError(
                f"network {network.name} cannot use {subnet} on host {host.name}",
                cause=f"the host has {one.network} already, on {one.device or 'no device'}",
                hint=f"a free subnet there: {choose_subnet([other.network for other in taken])}; make the network anew with it",
            )


def _search_order() -> Iterator[tuple[int, int]]:
    start = int(_FIRST.network_address)
    yield start, int(_SPACE[0].broadcast_address)
    yield int(_SPACE[0].network_address), start - 1
    for space in _SPACE[1:]:
        yield int(space.network_address), int(space.broadcast_address)


def _first_gap(first: int, last: int, blocks: Sequence[tuple[int, int]]) -> int | None:
    """The lowest /24 between `first` and `last` outside the sorted blocks."""
    candidate = first
    for low, high in blocks:
        if high >= candidate and low < candidate + _STEP:
            candidate = (high // _STEP + 1) * _STEP
    return candidate if candidate + _STEP - 1 <= last else None

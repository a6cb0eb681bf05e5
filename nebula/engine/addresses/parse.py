"""Spans of addresses as people type them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import msgspec

from nebula.engine.addresses.types import MAX_SIZE
from nebula.errors import UsageError

Address = IPv4Address | IPv6Address
_HINT = "write 10.0.0.10-10.0.0.50, 10.0.0.10+41 or 10.0.0.0/24"


class Span(msgspec.Struct, frozen=True):
    """`size` addresses from `first` on; `version` is 4 or 6."""

    first: str
    size: int
    version: int


def parse_span(text: str) -> Span:
    """`FIRST-LAST`, `FIRST+SIZE`, a CIDR network (its usable addresses), or one address.

    UsageError for anything else, and for more than `MAX_SIZE` addresses.
    """
    text = text.strip()
    if "/" in text:
        first, size = _network(text)
    elif "+" in text:
        first, size = _counted(text)
    elif "-" in text:
        first, size = _between(text)
    else:
        first, size = address(text), 1
    if not 1 <= size <= MAX_SIZE:
        raise UsageError(f"{text} has {size} addresses; a range has 1 to {MAX_SIZE}", hint=_HINT)
    return Span(str(first), size, first.version)


def address(text: str) -> Address:
    """An IPv4 or IPv6 address; UsageError for anything else."""
    try:
        found = ip_address(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not an IP address", cause=str(error), hint=_HINT) from error
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        raise UsageError(f"{text!r} names an interface", hint="leave out what stands behind the percent sign")
    return found


def _network(text: str) -> tuple[Address, int]:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a network", cause=str(error), hint=_HINT) from error
    host_bits = network.max_prefixlen - network.prefixlen
    if host_bits <= 1:
        return network.network_address, network.num_addresses
    # IPv4 keeps its last address for broadcast; the first is the network itself, in IPv6 its routers.
    kept = 2 if network.version == 4 else 1
    return network.network_address + 1, network.num_addresses - kept


def _counted(text: str) -> tuple[Address, int]:
    first, _, size = text.partition("+")
    if not (size.isascii() and size.isdigit() and len(size) <= 9):
        raise UsageError(f"{size!r} in {text!r} is not a number of addresses", hint=_HINT)
    start = address(first)
    if int(start) + int(size) > 1 << start.max_prefixlen:
        raise UsageError(f"{text} runs over the last address there is", hint=_HINT)
    return start, int(size)


def _between(text: str) -> tuple[Address, int]:
    first, last = (address(part) for part in text.split("-", 1))
    if first.version != last.version:
        raise UsageError(f"{text} begins with IPv{first.version} and ends with IPv{last.version}", hint=_HINT)
    if int(last) < int(first):
        raise UsageError(f"{text} ends before it begins", hint=f"did you mean {last}-{first}?")
    return first, int(last) - int(first) + 1

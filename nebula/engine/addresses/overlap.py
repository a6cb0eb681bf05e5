"""Whether two ranges would give the same address to two guests."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from nebula.engine.addresses.mac import parse_mac
from nebula.engine.addresses.types import AddressRange


def overlaps(one: AddressRange, other: AddressRange) -> tuple[str, ...]:
    """Which kinds of address both ranges have in part: "mac", "ip", "ip6"; empty if they are apart.

    SLAAC addresses follow from MACs, so ranges of one prefix overlap exactly where "mac" says so.
    """
    return tuple(kind for kind, first in _FIRSTS.items() if _cross(first(one), one.size, first(other), other.size))


def _cross(first: int | None, size: int, other_first: int | None, other_size: int) -> bool:
    if first is None or other_first is None:
        return False
    return first < other_first + other_size and other_first < first + size


def _first_ip(ar: AddressRange) -> int | None:
    return int(IPv4Address(ar.ip)) if ar.ip else None


def _first_ip6(ar: AddressRange) -> int | None:
    return int(IPv6Address(ar.ip6)) if ar.ip6 else None


def _first_mac(ar: AddressRange) -> int | None:
    return parse_mac(ar.mac)


_FIRSTS = {"mac": _first_mac, "ip": _first_ip, "ip6": _first_ip6}

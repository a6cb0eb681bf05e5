"""MAC addresses as numbers."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from nebula.errors import UsageError

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_FROM_IPV4 = 0x0200 << 32
"""02:00 and the four bytes of the IPv4 address, as OpenNebula has it."""
_FROM_RANGE = 0x0201 << 32
"""Ranges without IPv4 count from here, 2^24 addresses apart, up to 02:ff."""
_RANGE_STEP = 24
_RANGES = 0xFF << 8


def parse_mac(text: str) -> int:
    """The number of a MAC such as 02:00:0a:00:00:01; UsageError for anything else."""
    if not _MAC.fullmatch(text.lower()):
        raise UsageError(f"{text!r} is not a MAC address", hint="write it as six octets: 02:00:0a:00:00:01")
    return int(text.replace(":", ""), 16)


def format_mac(number: int) -> str:
    """Six lower-case octets with colons."""
    return number.to_bytes(6, "big").hex(":")


def default_mac(ip: str, range_id: int) -> str:
    """The first MAC of a range that names none: from its first IPv4 address, else from its number."""
    if ip:
        return format_mac(_FROM_IPV4 + int(IPv4Address(ip)))
    return format_mac(_FROM_RANGE + (range_id % _RANGES << _RANGE_STEP))


def interface_identifier(mac: int) -> int:
    """The lower 64 bits that SLAAC makes of a MAC (EUI-64 with the universal bit turned)."""
    return (((mac >> 24) << 40) | (0xFFFE << 24) | (mac & 0xFFFFFF)) ^ (1 << 57)


def mac_of_identifier(identifier: int) -> int | None:
    """The MAC behind a SLAAC address's lower 64 bits; None if no MAC made them."""
    if (identifier >> 24) & 0xFFFF != 0xFFFE:
        return None
    turned = identifier ^ (1 << 57)
    return ((turned >> 40) << 24) | (turned & 0xFFFFFF)

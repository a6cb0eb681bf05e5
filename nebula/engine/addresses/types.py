"""What a range and a lease are."""

from __future__ import annotations

import enum

import msgspec

MAX_SIZE = 1 << 24
"""Addresses in one range at most: a /8."""


class RangeType(enum.StrEnum):
    """OpenNebula's types of address range; `code` is its number in the XML."""

    ETHER = "ETHER"
    """Ethernet only: the guest gets a MAC and finds its address by itself."""
    IP4 = "IP4"
    IP6 = "IP6"
    """SLAAC: the host part is made of the MAC, the network part is a prefix."""
    IP4_6 = "IP4_6"
    IP6_STATIC = "IP6_STATIC"
    IP4_6_STATIC = "IP4_6_STATIC"

    @property
    def code(self) -> int:
        """The number by which OpenNebula's clients know the type."""
        return _CODES[self]

    @property
    def has_ip4(self) -> bool:
        """Whether a lease has an IPv4 address."""
        return self in {RangeType.IP4, RangeType.IP4_6, RangeType.IP4_6_STATIC}

    @property
    def is_slaac(self) -> bool:
        """Whether a lease's IPv6 address is made of a prefix and its MAC."""
        return self in {RangeType.IP6, RangeType.IP4_6}

    @property
    def has_static_ip6(self) -> bool:
        """Whether IPv6 addresses are counted up from a first one."""
        return self in {RangeType.IP6_STATIC, RangeType.IP4_6_STATIC}


_CODES = {
    RangeType.ETHER: 1,
    RangeType.IP4: 3,
    RangeType.IP6: 5,
    RangeType.IP4_6: 7,
    RangeType.IP6_STATIC: 9,
    RangeType.IP4_6_STATIC: 11,
}


class AddressRange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`size` addresses in a row, from the first MAC, IPv4 and IPv6 address on. Position 0 is the first.

    A range that came through `from_attributes` or `check_range` is sound; the other functions rely on it.
    """

    type: RangeType
    size: int
    mac: str
    """The first MAC, six lower-case octets with colons."""
    ip: str = ""
    ip6: str = ""
    """First address of the static IPv6 types."""
    prefix_length6: int = 64
    """Of the static IPv6 types; SLAAC is always 64."""
    global_prefix: str = ""
    ula_prefix: str = ""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses at one position of a range; empty where its type has none."""

    mac: str
    ip: str = ""
    ip6: str = ""
    ip6_ula: str = ""

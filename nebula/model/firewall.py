"""What may pass a card, as network drivers are told of it: names and groups are resolved to addresses already."""

from __future__ import annotations

import msgspec

PROTOCOLS = ("all", "tcp", "udp", "icmp", "icmpv6", "ipsec")


class FilterRule(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may pass; answers to it may, too. `inbound`: towards the guest."""

    inbound: bool
    protocol: str = "all"
    """One of PROTOCOLS; ipsec: ESP, AH, and UDP ports 500 and 4500."""
    ports: tuple[tuple[int, int], ...] = ()
    """(first, last) of destination ports, of tcp and udp; () all."""
    icmp_type: int = -1
    """-1: all types."""
    peers: tuple[str, ...] | None = None
    """Networks in CIDR form, IPv4 and IPv6, sorted, none within another; None: anybody. (): nobody."""


class CardFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a card's guest may send and get."""

    own_mac: bool = True
    """It sends from the card's MAC address alone."""
    own_ips: bool = True
    """It sends from the card's addresses alone, if it has any, and hands out none: no DHCP server, no router of IPv6."""
    further: tuple[str, ...] = ()
    """Addresses, IPv4 and IPv6, that are the card's beside its own: a second one of IPv6, and those of its aliases."""
    rules: tuple[FilterRule, ...] | None = None
    """Only this passes, both ways; None: whatever is not forged."""

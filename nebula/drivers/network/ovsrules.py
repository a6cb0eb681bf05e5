"""Rules of groups as matches of OpenFlow, which knows neither ranges of ports nor lists of addresses.

A range is as many masks as it takes. Where a rule has several peers and several ports, both are listed once and joined by
what OpenFlow calls a conjunction: a rule costs the sum of its parts, not their product. All here is text made of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from nebula.model.firewall import FilterRule

_FAMILIES = {4: ("ip", "", "nw_src", "nw_dst"), 6: ("ipv6", "6", "ipv6_src", "ipv6_dst")}
"""(any packet, what a protocol's name ends with, source, destination)."""
_ALL_PORTS = 1 << 16
_ALONE, _JOINED = 110, 100
"""Priorities: what shares one with a conjunction would hide it."""


def flows(rules: Sequence[FilterRule], table: int, verdict: str, *, inbound: bool) -> Iterator[str]:
    """Of the rules of one direction; the verdict is for what one of them lets pass."""
    alone: dict[str, None] = {}
    parts: dict[str, list[str]] = {}
    number = 0
    for rule in rules:
        for family, (any_packet, *_) in _FAMILIES.items():
            whats, wheres = _protocols(rule, family), _peers(rule, family)
            if rule.inbound is not inbound or not whats or not wheres:
                continue
            if min(len(whats), len(wheres)) == 1:
                alone.update(dict.fromkeys(f"{what}{where}" for what in whats for where in wheres))
                continue
            number += 1
            for half, matches in ((1, (f"{any_packet}{where}" for where in wheres)), (2, whats)):
                for match in matches:
                    parts.setdefault(match, []).append(f"conjunction({number},{half}/2)")
            parts[f"conj_id={number},{any_packet}"] = [verdict]
    yield from (f"table={table},priority={_ALONE},{match},actions={verdict}" for match in alone)
    yield from (f"table={table},priority={_JOINED},{match},actions={','.join(found)}" for match, found in parts.items())


def masks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """(value, mask) of 16 bits, which together are the ports from first to last and no others."""
    while first <= last:
        size = first & -first or _ALL_PORTS
        while size > last - first + 1:
            size >>= 1
        yield first, _ALL_PORTS - size
        first += size


def _peers(rule: FilterRule, family: int) -> list[str]:
    if rule.peers is None:
        return [""]
    name = _FAMILIES[family][2 if rule.inbound else 3]
    nets = [net for net in map(ip_network, rule.peers) if net.version == family]
    return [""] if any(net.prefixlen == 0 for net in nets) else [f",{name}={net}" for net in nets]


def _protocols(rule: FilterRule, family: int) -> list[str]:
    any_packet, six, *_ = _FAMILIES[family]
    if rule.protocol in {"tcp", "udp"}:
        return [f"{rule.protocol}{six}{ports}" for ports in _ports(rule.ports)]
    if rule.protocol in {"icmp", "icmpv6"}:
        if (rule.protocol == "icmp") is (family == 6):
            return []
        return [f"icmp{six}" + (f",icmp_type={rule.icmp_type}" if rule.icmp_type >= 0 else "")]
    if rule.protocol == "ipsec":
        ways = [f"{any_packet},nw_proto={number}" for number in (50, 51)]
        return [*ways, *(f"udp{six},tp_dst={port}" for port in (500, 4500))]
    return [any_packet]


def _ports(spans: Iterable[tuple[int, int]]) -> list[str]:
    found = [pair for first, last in spans for pair in masks(first, last)]
    if not found or any(mask == 0 for _, mask in found):
        return [""]
    return [f",tp_dst={value}" if mask == _ALL_PORTS - 1 else f",tp_dst={value:#x}/{mask:#x}" for value, mask in found]

"""Flows of Open vSwitch that let cards send from their own addresses alone. A flow's cookie says whose it is.

They are in table 0, where each packet begins, and hand what may pass to the bridge's usual switching, past others' flows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network.names import is_tap
from nebula.model.firewall import CardFilter
from nebula.model.network import NicSpec

_TOOL = ("ovs-ofctl", "--timeout=20")
_ATOMIC = ("-OOpenFlow14", "--bundle")
_WHATEVER = "-OOpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
"""The host's own bridges may speak some of these alone."""
_OURS, _WHOSE = 0x6E62 << 48, 0xFFFF << 48
_ANY = f"cookie={_OURS:#x}/{_WHOSE:#x}"
_COOKIE = re.compile(r"cookie=0x([0-9a-f]+)")
_RARP = "dl_type=0x8035"
"""QEMU tells switches by it where a guest went, after a migration."""
_LOCAL = "fe80::/10"
_SERVERS = ("udp,tp_src=67", "udp6,tp_src=547", "icmp6,icmp_type=134", "icmp6,icmp_type=137")
"""Who hands out addresses and routes: DHCP servers, routers of IPv6."""


def cookie(tap: str) -> int:
    """The cookie of the flows of the card `one-VM-NIC`."""
    _, vm_id, nic_id = tap.split("-")
    return _OURS | (int(vm_id) & 0xFFFFFFFF) << 16 | int(nic_id) & 0xFFFF


def filtered(host: HostHandle, bridge: str) -> set[str]:
    """Taps that have flows of ours on the bridge."""
    told = host.transport.run([*_TOOL, _WHATEVER, "dump-flows", bridge, _ANY], root=True).text
    numbers = {int(found, 16) for found in _COOKIE.findall(told)}
    return {f"one-{number >> 16 & 0xFFFFFFFF}-{number & 0xFFFF}" for number in numbers}


def change(host: HostHandle, bridge: str, cards: Mapping[str, tuple[int, NicSpec]], gone: Sequence[str] = ()) -> None:
    """In one step: the cards (tap -> number of its port, card), whose filters have no rules, send what is not forged, and cards
    that are gone have no flows. What an earlier holder of the port's number left goes, too.
    """
    lines = [f"delete cookie={cookie(tap):#x}/-1" for tap in (*gone, *cards) if is_tap(tap)]
    for tap, (number, nic) in cards.items():
        lines.append(f"delete {_ANY},in_port={number}")
        begin = f"add cookie={cookie(tap):#x},table=0,in_port={number}"
        lines += [f"{begin},{flow}" for flow in flows(nic)]
    if lines:
        script = "".join(f"{line}\n" for line in lines)
        host.transport.run([*_TOOL, *_ATOMIC, "add-flows", bridge, "-"], stdin=script.encode("ascii"), root=True)


def forget_port(host: HostHandle, bridge: str, number: int) -> None:
    """A port that is new has nothing of a card that had its number before."""
    if number:
        host.transport.run([*_TOOL, _WHATEVER, "del-flows", bridge, f"{_ANY},in_port={number}"], root=True)


def flows(nic: NicSpec) -> list[str]:
    """What the card's filter makes of a packet that its guest sends; nothing for a card without one."""
    if nic.filter is None:
        return []
    mac = f"dl_src={nic.mac}," if nic.filter.own_mac else ""
    arp = f"arp,arp_sha={nic.mac}" if nic.filter.own_mac else "arp"
    passing = [*_own(nic, nic.filter, arp)]
    refused = [f"priority=250,{what},actions=drop" for what in _SERVERS if nic.filter.own_ips]
    refused += ["priority=215,arp,actions=drop", "priority=235,icmp6,icmp_type=136,actions=drop"] if passing else []
    return [*refused, *(_passes(priority, mac, what) for priority, what in passing), "priority=200,actions=drop"]


def _passes(priority: int, mac: str, what: str) -> str:
    return f"priority={priority},{mac}{what}{',' if what else ''}actions=NORMAL"


def _own(nic: NicSpec, wanted: CardFilter, arp: str) -> Iterator[tuple[int, str]]:
    """(priority, match) of what may pass."""
    if not wanted.own_ips:
        yield from ((220, arp), (240, "icmp6,icmp_type=136"), (210, ""))
        return
    yield 210, _RARP
    if not nic.ip and not nic.ip6:
        yield from ((220, arp), (240, "icmp6,icmp_type=136"), (210, "ip"), (210, "ipv6"))
        return
    for address in filter(None, ("0.0.0.0", nic.ip)):  # noqa: S104 - who asks whether an address is free has none
        yield 220, f"{arp},arp_spa={address}"
    yield 220, "udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67"
    if nic.ip:
        yield 210, f"ip,nw_src={nic.ip}"
    own6 = [address for address in (_LOCAL, nic.ip6) if address]
    for source in own6:
        yield 210, f"ipv6,ipv6_src={source}"
        yield from ((240, f"icmp6,icmp_type=136,icmp_code=0,ipv6_src={source},nd_target={target}") for target in own6)
    yield 210, "ipv6,ipv6_src=::"

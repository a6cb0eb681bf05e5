"""What passes a card of Open vSwitch, as the flows of the card's own bridge. All here is text made of values.

That bridge has two ports: the way to the network's bridge, number 1, and the card's tap, whatever its number. So what does not
come from the way is the guest's, before anybody knows the tap; and what is for the guest goes to all other ports. Connections
are tracked in a zone of the card's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from nebula.drivers.network import ovsrules
from nebula.model.firewall import CardFilter
from nebula.model.network import NicSpec

WAY = 1
"""The number of the port towards the network's bridge."""
OPEN = "table=0,priority=0,actions=NORMAL\n"
"""The flows of a card that has no filter."""
_BEGIN, _GENUINE, _SENDS, _SENT, _NEW_OUT, _GETS, _GOT, _NEW_IN = range(8)
"""Tables: what the guest sends goes through 1 to 4, what is sent to it through 5 to 7."""
_OUT, _IN = f"output:{WAY}", "FLOOD"
_RARP = "dl_type=0x8035"
"""QEMU tells switches by it where a guest went, after a migration."""
_LOCAL = "fe80::/10"
_SERVERS = ("udp,tp_src=67", "udp6,tp_src=547", "icmp6,icmp_type=134", "icmp6,icmp_type=137")
"""Who hands out addresses and routes: DHCP servers, routers of IPv6."""
_ND_ASKED, _ND_ANSWERED = (133, 135, 136, 131, 132, 143), (134, 135, 136, 130)
_ASKED = ("udp,tp_src=68,tp_dst=67", "udp6,tp_src=546,tp_dst=547", *(f"icmp6,icmp_type={number}" for number in _ND_ASKED))
"""Without these a guest has no address, and nobody finds it."""
_ANSWERED = ("udp,tp_src=67,tp_dst=68", "udp6,tp_src=547,tp_dst=546", *(f"icmp6,icmp_type={number}" for number in _ND_ANSWERED))


def script(nic: NicSpec, zone: int) -> str:
    """All flows of the bridge of a card that has a filter, a line each, as `ovs-ofctl replace-flows` reads them."""
    wanted = nic.filter or CardFilter()
    lines = [
        f"table={_BEGIN},priority=20,in_port={WAY},actions=goto_table:{_GETS}",
        f"table={_BEGIN},priority=20,in_port=LOCAL,actions=drop",
        # Above 0, where Open vSwitch may have put a flow that lets all pass.
        f"table={_BEGIN},priority=10,actions=goto_table:{_GENUINE}",
        *_genuine(nic, wanted),
    ]
    if wanted.rules is None:
        lines += [f"table={_SENDS},priority=0,actions={_OUT}", f"table={_GETS},priority=0,actions={_IN}"]
    else:
        lines += [*_tracked(_SENDS, _OUT, _ASKED, zone), *_tracked(_GETS, _IN, _ANSWERED, zone)]
        for table, verdict, inbound in ((_NEW_OUT, _OUT, False), (_NEW_IN, _IN, True)):
            lines += ovsrules.flows(wanted.rules, table, f"ct(commit,zone={zone}),{verdict}", inbound=inbound)
    return "".join(f"{line}\n" for line in lines)


def _tracked(table: int, verdict: str, always: tuple[str, ...], zone: int) -> Iterator[str]:
    """One direction: what belongs to a connection passes, what begins one goes on to the rules, in the table after the next."""
    yield from (f"table={table},priority=10,{match},actions={verdict}" for match in ("arp", _RARP))
    yield from (f"table={table},priority=10,{match},actions=ct(table={table + 1},zone={zone})" for match in ("ip", "ipv6"))
    known = table + 1
    yield from (f"table={known},priority=40,ct_state=+trk+{state}-inv,actions={verdict}" for state in ("est", "rel"))
    yield from (f"table={known},priority=30,{match},actions={verdict}" for match in always)
    yield f"table={known},priority=10,ct_state=+trk+new-inv,actions=goto_table:{table + 2}"


def _genuine(nic: NicSpec, wanted: CardFilter) -> Iterator[str]:
    """Nothing forged goes on: neither where it comes from, nor who hands out addresses."""
    mac = f"dl_src={nic.mac}," if wanted.own_mac else ""
    begin = f"table={_GENUINE}"
    if wanted.own_ips:
        yield from (f"{begin},priority=250,{what},actions=drop" for what in _SERVERS)
    yield f"{begin},priority=235,icmp6,icmp_type=136,actions=drop"
    yield f"{begin},priority=215,arp,actions=drop"
    arp = f"arp,arp_sha={nic.mac}" if wanted.own_mac else "arp"
    for priority, what in _own(nic, wanted, arp):
        yield f"{begin},priority={priority},{mac}{what}{',' if what else ''}actions=goto_table:{_SENDS}"


def _own(nic: NicSpec, wanted: CardFilter, arp: str) -> Iterator[tuple[int, str]]:
    """(priority, match) of what is the card's own."""
    if not wanted.own_ips:
        yield from ((240, "icmp6,icmp_type=136"), (220, arp), (210, ""))
        return
    yield 210, _RARP
    if not nic.ips and not nic.ips6:
        yield from ((240, "icmp6,icmp_type=136"), (220, arp), (210, "ip"), (210, "ipv6"))
        return
    for address in ("0.0.0.0", *nic.ips):  # noqa: S104 - who asks whether an address is free has none
        yield 220, f"{arp},arp_spa={address}"
    yield 220, "udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67"
    for address in nic.ips:
        yield 210, f"ip,nw_src={address}"
    own6 = [_LOCAL, *nic.ips6]
    for source in own6:
        yield from ((240, f"icmp6,icmp_type=136,icmp_code=0,ipv6_src={source},nd_target={target}") for target in own6)
        yield 210, f"ipv6,ipv6_src={source}"
    yield 210, "ipv6,ipv6_src=::"

"""A card's filters as nftables has them, in one table of family bridge for all cards of a host.

Two maps lead from a tap's name to its chains, so a packet costs the same however many cards there are: `from` at prerouting
(what its guest sends, to other guests, to the wire and to the host) and `to` at postrouting (what comes to its guest from any
of them). All here is text made of values; nothing asks a host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Address, ip_network

from nebula.drivers.network.names import check_device
from nebula.model.firewall import CardFilter, FilterRule
from nebula.model.network import NicSpec

TABLE = "nebula_filter"
SENDS, GETS = "-from", "-to"
_RARP = "0x8035"
"""QEMU tells switches by it where a guest went, after a migration."""
_BASE = f"""\
table bridge {TABLE} {{
    map from {{ type ifname : verdict; }}
    map to {{ type ifname : verdict; }}
    chain prerouting {{ type filter hook prerouting priority -150; policy accept; }}
    chain postrouting {{ type filter hook postrouting priority 0; policy accept; }}
}}
flush chain bridge {TABLE} prerouting
flush chain bridge {TABLE} postrouting
add rule bridge {TABLE} prerouting iifname vmap @from
add rule bridge {TABLE} postrouting oifname vmap @to
"""
_NONE_YET = "0.0.0.0"  # noqa: S104
"""Who asks by DHCP, or whether an address is free, has none."""
_SOLICITED = "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done"
_ASKED = (
    "udp sport 68 udp dport 67 accept",
    "udp sport 546 udp dport 547 accept",
    f"icmpv6 type {{ {_SOLICITED}, mld2-listener-report }} accept",
)
"""Without these a guest has no address, and nobody finds it."""
_ANSWERED = (
    "udp sport 67 udp dport 68 accept",
    "udp sport 547 udp dport 546 accept",
    "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept",
)


def script(nics: Sequence[NicSpec], gone: Iterable[str] = (), *, stateful: bool) -> str:
    """What gives these cards, all of which have a filter, exactly that, and takes the chains of the taps `gone` away: one
    transaction. Without `stateful`, rules of groups are left to iptables.
    """
    made = (_card(nic, stateful=stateful) for nic in nics)
    return (_BASE if nics else "") + "".join([*made, *map(_without, gone)])


def _card(nic: NicSpec, *, stateful: bool) -> str:
    tap, wanted = check_device(nic.tap), nic.filter or CardFilter()
    sends = [*_genuine(nic, wanted), *_passing(wanted, inbound=False, stateful=stateful)]
    gets = _passing(wanted, inbound=True, stateful=stateful)
    return "".join(f"{line}\n" for line in _chains(tap, ((SENDS, "from", sends), (GETS, "to", gets))))


def _chains(tap: str, chains: Iterable[tuple[str, str, Iterable[str]]]) -> Iterator[str]:
    for end, map_name, rules in chains:
        chain = f"bridge {TABLE} {tap}{end}"
        yield f"add chain {chain}"
        yield f"flush chain {chain}"
        yield from (f"add rule {chain} {rule}" for rule in rules)
        yield f'add element bridge {TABLE} {map_name} {{ "{tap}" : jump {tap}{end} }}'


def _without(tap: str) -> str:
    lines = [f'delete element bridge {TABLE} {name} {{ "{check_device(tap)}" }}' for name in ("from", "to")]
    lines += [f"delete chain bridge {TABLE} {tap}{end}" for end in (SENDS, GETS)]
    return "".join(f"{line}\n" for line in lines)


def _genuine(nic: NicSpec, wanted: CardFilter) -> Iterator[str]:
    """Nothing forged: neither where it comes from, nor who hands out addresses."""
    if wanted.own_mac:
        yield f"ether saddr != {nic.mac} drop"
        yield f"arp saddr ether != {nic.mac} drop"
    if not wanted.own_ips:
        return
    yield "udp sport { 67, 547 } drop"
    yield "icmpv6 type { nd-router-advert, nd-redirect } drop"
    if not nic.ips and not nic.ips6:
        return
    yield f"arp saddr ip != {{ {', '.join([_NONE_YET, *nic.ips])} }} drop"
    yield f"ip saddr {_NONE_YET} udp sport 68 udp dport 67 accept"
    yield f"ip saddr != {_any_of(nic.ips or (_NONE_YET,))} drop"
    yield f"ip6 saddr != {{ {', '.join(['::', 'fe80::/10', *nic.ips6])} }} drop"
    own = "".join(f" @th,64,128 != 0x{int(IPv6Address(address)):032x}" for address in nic.ips6)
    yield f"icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa{own} drop"


def _any_of(addresses: Sequence[str]) -> str:
    return addresses[0] if len(addresses) == 1 else f"{{ {', '.join(addresses)} }}"


def _passing(wanted: CardFilter, *, inbound: bool, stateful: bool) -> Iterator[str]:
    if wanted.rules is None and (inbound or not wanted.own_ips):
        return
    yield f"ether type {{ arp, {_RARP} }} accept"
    if wanted.rules is None or not stateful:
        yield "ether type { ip, ip6 } accept"
        yield "drop"
        return
    yield "ct state established,related accept"
    yield from _ANSWERED if inbound else _ASKED
    yield "ct state invalid drop"
    for rule in wanted.rules:
        if rule.inbound is inbound:
            yield from (f"{match} accept" for match in matches(rule))
    yield "drop"


def matches(rule: FilterRule) -> list[str]:
    """What the rule lets pass, in nftables' words: a line a family of addresses."""
    wheres = _peers(rule)
    return [" ".join(part for part in (where, what) if part) for where in wheres for what in _protocols(rule, where)]


def _peers(rule: FilterRule) -> list[str]:
    if rule.peers is None:
        return [""]
    found = []
    for version, family in ((4, "ip"), (6, "ip6")):
        some = [peer for peer in rule.peers if ip_network(peer).version == version]
        if some:
            found.append(f"{family} {'saddr' if rule.inbound else 'daddr'} {{ {', '.join(some)} }}")
    return found


def _protocols(rule: FilterRule, where: str) -> list[str]:
    if rule.protocol in {"tcp", "udp"}:
        ports = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in rule.ports)
        return [f"{rule.protocol} dport {{ {ports} }}" if ports else f"meta l4proto {rule.protocol}"]
    if rule.protocol in {"icmp", "icmpv6"}:
        if where.startswith("ip6 ") is (rule.protocol == "icmp") and where:
            return []
        return [f"{rule.protocol} type {rule.icmp_type}" if rule.icmp_type >= 0 else f"meta l4proto {_ICMP[rule.protocol]}"]
    if rule.protocol == "ipsec":
        return ["meta l4proto { esp, ah }", "udp dport { 500, 4500 }"]
    return ["" if where else "ether type { ip, ip6 }"]


_ICMP = {"icmp": "icmp", "icmpv6": "ipv6-icmp"}

"""The rules of groups by iptables, where the kernel's bridges know no connections (no nf_conntrack_bridge).

br_netfilter then shows bridged packets to iptables. Chain `nebula` sends what passes a card into its two chains, which return
what may pass and drop the rest. Peers are in sets that are named by what is in them and never change: cards with other
peers are given other sets, in the same step as their rules. All here is text made of values; nothing asks a host.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from nebula.drivers.network.names import check_device
from nebula.model.firewall import FilterRule
from nebula.model.network import NicSpec

CHAIN = "nebula"
SENDS, GETS = "-o", "-i"
HOOKS = ("FORWARD", "INPUT", "OUTPUT")
_PORTS = 15
"""What one multiport match holds; a range counts twice."""
_MOST = 1 << 20
_ALWAYS = {
    (4, False): ("-p udp -m udp --sport 68 --dport 67",),
    (4, True): ("-p udp -m udp --sport 67 --dport 68",),
    (6, False): (
        "-p udp -m udp --sport 546 --dport 547",
        *(f"-p ipv6-icmp -m icmp6 --icmpv6-type {number}" for number in (133, 135, 136, 131, 132, 143)),
    ),
    (6, True): (
        "-p udp -m udp --sport 547 --dport 546",
        *(f"-p ipv6-icmp -m icmp6 --icmpv6-type {number}" for number in (134, 135, 136, 130)),
    ),
}
"""(family, inbound): without these a guest has no address, and nobody finds it."""


def restore(nics: Sequence[NicSpec], gone: Iterable[str], present: Sequence[str], version: int) -> str:
    """What `iptables-restore --noflush` makes these cards' rules with, and clears the taps `gone` away, for IPv4 or IPv6; "" if
    there is nothing to change. `present`: the filter table as `iptables -S` tells it.
    """
    taps = {check_device(tap) for tap in (*gone, *(nic.tap for nic in nics))}
    wanted = [nic for nic in nics if nic.filter is not None and nic.filter.rules is not None]
    jumps = [line for line in present if line.startswith(f"-A {CHAIN} ")]
    others = [line for line in jumps if _target(line).rpartition("-")[0] not in taps]
    old = sorted(chain for chain in _chains(present) if chain.rpartition("-")[0] in taps)
    if not wanted and not old and len(others) == len(jumps):
        return ""
    own = [line for nic in wanted for line in _jumps(nic, version)]
    fresh = [f"{nic.tap}{end}" for nic in wanted for end in (SENDS, GETS)]
    lines = [f":{CHAIN} - [0:0]", *(f":{chain} - [0:0]" for chain in sorted({*fresh, *old}))]
    lines += _hooks(present, keep=bool(others or own))
    lines += [*others, *own]
    for nic in wanted:
        lines += [*_rules(nic, version, inbound=False), *_rules(nic, version, inbound=True)]
    lines += [f"-X {chain}" for chain in old if chain not in fresh]
    if not others and not own:
        lines.append(f"-X {CHAIN}")
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def sets(nics: Sequence[NicSpec]) -> str:
    """What `ipset restore` makes the sets with that the cards' rules name."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in (rule for nic in nics if nic.filter for rule in nic.filter.rules or ()):
        for version in (4, 6):
            peers = _of(rule, version)
            if peers:
                found[set_name(peers, version)] = peers
    lines = []
    for name, peers in sorted(found.items()):
        lines.append(f"create {name} hash:net family {'inet' if name.startswith('nb4') else 'inet6'} maxelem {_MOST} -exist")
        lines += [f"add {name} {peer} -exist" for peer in peers]
    return "".join(f"{line}\n" for line in lines)


def set_name(peers: Sequence[str], version: int) -> str:
    """Same peers, same set."""
    return f"nb{version}-{hashlib.sha256(' '.join(peers).encode()).hexdigest()[:20]}"


def taps_in(present: Sequence[str]) -> set[str]:
    """Cards that have chains, by the filter table as `iptables -S` tells it."""
    return {chain.rpartition("-")[0] for chain in _chains(present)}


def _chains(present: Sequence[str]) -> list[str]:
    made = [line.split()[1] for line in present if line.startswith("-N one-")]
    return [chain for chain in made if chain.endswith((SENDS, GETS)) and chain.count("-") == 3]


def _target(line: str) -> str:
    words = shlex.split(line)
    return words[words.index("-j") + 1] if "-j" in words else ""


def _hooks(present: Sequence[str], *, keep: bool) -> Iterator[str]:
    """Our chain comes first, so that nobody's accept is asked before it."""
    for hook in HOOKS:
        own = [line for line in present if line.startswith(f"-A {hook} ")]
        if keep and own[:1] == [f"-A {hook} -j {CHAIN}"]:
            continue
        yield from (f"-D {hook} -j {CHAIN}" for line in own if line == f"-A {hook} -j {CHAIN}")
        if keep:
            yield f"-I {hook} 1 -j {CHAIN}"


def _jumps(nic: NicSpec, version: int) -> Iterator[str]:
    """What the host itself or a route sends has no port of the bridge yet: there the card's addresses tell."""
    yield f"-A {CHAIN} -m physdev --physdev-in {nic.tap} -j {nic.tap}{SENDS}"
    yield f"-A {CHAIN} -m physdev --physdev-is-bridged --physdev-out {nic.tap} -j {nic.tap}{GETS}"
    for address in nic.ips if version == 4 else nic.ips6:
        where = f"-d {address}/{32 if version == 4 else 128} -o {check_device(nic.network.bridge)}"
        yield f"-A {CHAIN} {where} -m physdev ! --physdev-is-bridged -j {nic.tap}{GETS}"


def _rules(nic: NicSpec, version: int, *, inbound: bool) -> Iterator[str]:
    chain = f"{nic.tap}{GETS if inbound else SENDS}"
    yield f"-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    yield from (f"-A {chain} {match} -j RETURN" for match in _ALWAYS[version, inbound])
    yield f"-A {chain} -m conntrack --ctstate INVALID -j DROP"
    for rule in (nic.filter.rules or ()) if nic.filter else ():
        if rule.inbound is inbound:
            yield from (f"-A {chain} {match}-j RETURN" for match in _matches(rule, version))
    yield f"-A {chain} -j DROP"


def _matches(rule: FilterRule, version: int) -> list[str]:
    if rule.peers is None:
        where = ""
    else:
        peers = _of(rule, version)
        if not peers:
            return []
        where = f"-m set --match-set {set_name(peers, version)} {'src' if rule.inbound else 'dst'} "
    return [f"{what}{where}" for what in _protocols(rule, version)]


def _of(rule: FilterRule, version: int) -> tuple[str, ...]:
    return tuple(peer for peer in rule.peers or () if ip_network(peer).version == version)


def _protocols(rule: FilterRule, version: int) -> list[str]:
    if rule.protocol in {"tcp", "udp"}:
        some = [f"-m multiport --dports {','.join(chunk)} " for chunk in _port_chunks(rule.ports)]
        return [f"-p {rule.protocol} {ports}" for ports in some or [""]]
    if rule.protocol in {"icmp", "icmpv6"}:
        if (rule.protocol == "icmp") is (version == 6):
            return []
        name, match, option = ("icmp", "icmp", "icmp-type") if version == 4 else ("ipv6-icmp", "icmp6", "icmpv6-type")
        return [f"-p {name} " + (f"-m {match} --{option} {rule.icmp_type} " if rule.icmp_type >= 0 else "")]
    if rule.protocol == "ipsec":
        return ["-p esp ", "-p ah ", "-p udp -m multiport --dports 500,4500 "]
    return [""]


def _port_chunks(ports: Sequence[tuple[int, int]]) -> list[list[str]]:
    chunks: list[list[str]] = []
    room = 0
    for first, last in ports:
        cost = 1 if first == last else 2
        if cost > room:
            chunks.append([])
            room = _PORTS
        chunks[-1].append(str(first) if first == last else f"{first}:{last}")
        room -= cost
    return chunks

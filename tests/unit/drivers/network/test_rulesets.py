"""What hosts are told of filters, as text: a golden file a way. NEBULA_GOLDEN=1 writes them anew."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.network import ovsflows, ovsrules
from nebula.drivers.network.filters import fallback, ruleset
from nebula.errors import UsageError
from nebula.model.firewall import CardFilter, FilterRule
from nebula.model.network import NetworkSpec, NicSpec

GOLDEN = Path(__file__).parent / "golden"
LAN = NetworkSpec(network_id=7, name="lan", driver="bridge", bridge="onebr7", owned=True)
RULES = (
    FilterRule(inbound=False),
    FilterRule(inbound=True, protocol="tcp", ports=((22, 22), (80, 90))),
    FilterRule(inbound=True, protocol="udp", ports=((53, 53),), peers=("10.0.0.0/8", "192.0.2.7/32", "fd00::/8")),
    FilterRule(inbound=True, protocol="icmp", icmp_type=8),
    FilterRule(inbound=True, protocol="icmpv6", peers=("10.0.0.0/8", "fd00::/8")),
    FilterRule(inbound=True, protocol="ipsec", peers=("198.51.100.0/24",)),
    FilterRule(inbound=True, peers=()),
    FilterRule(
        inbound=True, protocol="tcp", ports=tuple((port, port + 1) for port in range(1000, 1060, 6)), peers=("10.0.0.0/8",)
    ),
)
PRESENT = [
    "-P INPUT ACCEPT", "-P FORWARD DROP", "-P OUTPUT ACCEPT", "-N DOCKER-USER", "-N nebula", "-N one-5-0-i", "-N one-5-0-o",
    "-N one-6-0-i", "-N one-6-0-o", "-A INPUT -j nebula", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j nebula",
    "-A OUTPUT -j nebula", "-A nebula -m physdev --physdev-in one-6-0 -j one-6-0-o",
    "-A nebula -m physdev --physdev-out one-6-0 --physdev-is-bridged -j one-6-0-i",
    "-A nebula -m physdev --physdev-in one-5-0 -j one-5-0-o", "-A one-6-0-o -j DROP",
]  # fmt: skip


def card(number: int, wanted: CardFilter | None, **fields: str) -> NicSpec:
    mac = f"02:00:0a:00:00:0{number}"
    return NicSpec(vm_id=number, nic_id=0, tap=f"one-{number}-0", mac=mac, network=LAN, filter=wanted, **fields)


WEB = card(5, CardFilter(rules=RULES), ip="10.0.0.5", ip6="fd00::5")
WITH_ALIASES = card(5, CardFilter(further=("10.0.0.6", "10.1.0.7", "fd00::6"), rules=RULES[:1]), ip="10.0.0.5", ip6="fd00::5")
PEERS = ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8")
JOINED = (
    FilterRule(inbound=True, protocol="tcp", ports=((22, 22), (80, 90)), peers=PEERS),
    FilterRule(inbound=True, protocol="udp", ports=((22, 22), (53, 53)), peers=PEERS[:2]),
    FilterRule(inbound=False, protocol="ipsec", peers=PEERS),
)
TEXTS = {
    "stateful.nft": ruleset.script([WEB], stateful=True),
    "stateless.nft": ruleset.script([WEB], ["one-8-0"], stateful=False),
    "genuine.nft": ruleset.script([card(5, CardFilter(), ip="10.0.0.5"), card(6, CardFilter(own_ips=False))], stateful=True),
    "aliases.nft": ruleset.script([WITH_ALIASES], stateful=True),
    "aliases.iptables": fallback.restore([WITH_ALIASES], (), [], 4),
    "aliases.ip6tables": fallback.restore([WITH_ALIASES], (), [], 6),
    "aliases.flows": ovsflows.script(WITH_ALIASES, 80),
    "no-address.nft": ruleset.script([card(5, CardFilter(rules=RULES[:1]))], stateful=True),
    "first.iptables": fallback.restore([WEB], (), [], 4),
    "first.ip6tables": fallback.restore([WEB], (), [], 6),
    "beside-others.iptables": fallback.restore([WEB], (), PRESENT, 4),
    "gone.iptables": fallback.restore((), ["one-5-0"], PRESENT, 4),
    "last-gone.iptables": fallback.restore((), ["one-5-0", "one-6-0"], PRESENT, 4),
    "sets.ipset": fallback.sets([WEB]),
    "rules.flows": ovsflows.script(WEB, 77),
    "joined.flows": ovsflows.script(card(5, CardFilter(own_ips=False, own_mac=False, rules=JOINED)), 77),
    "genuine.flows": ovsflows.script(card(5, CardFilter(), ip="10.0.0.5"), 0),
    "router.flows": ovsflows.script(card(6, CardFilter(own_ips=False, own_mac=False, rules=RULES[:1])), 78),
    "no-address.flows": ovsflows.script(card(5, CardFilter(rules=RULES[:1])), 79),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_host_is_told_what_the_golden_file_says(name: str) -> None:
    file = GOLDEN / name
    if os.environ.get("NEBULA_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(TEXTS[name])
    assert file.read_text() == TEXTS[name]


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_masks_are_the_ports_of_a_range_and_no_others(one: int, other: int) -> None:
    first, last = sorted((one, other))
    spans = [(value, value + 65535 - mask) for value, mask in ovsrules.masks(first, last)]
    assert (spans[0][0], spans[-1][1]) == (first, last)
    assert all(end + 1 == begin for (_, end), (begin, _) in itertools.pairwise(spans))
    assert all(value & mask == value for value, mask in ovsrules.masks(first, last))


def test_peers_and_ports_are_listed_once_each() -> None:
    peers = tuple(f"192.0.2.{number}/32" for number in range(1, 101))
    ports = tuple((port, port) for port in range(1, 200, 2))
    rule = FilterRule(inbound=True, protocol="tcp", ports=ports, peers=peers)
    lines = list(ovsrules.flows([rule, rule], 7, "drop", inbound=True))
    assert len(lines) == len(peers) + len(ports) + 2


def test_nothing_to_change_is_no_text() -> None:
    assert fallback.restore([card(9, CardFilter())], ["one-8-0"], PRESENT, 4) == ""
    assert fallback.sets([card(9, None), card(8, CardFilter())]) == ""


def test_same_peers_have_one_set() -> None:
    wanted = CardFilter(rules=(FilterRule(inbound=True, peers=("10.0.0.0/8",)),))
    assert fallback.sets([card(5, wanted), card(6, wanted)]).count("create") == 1


@pytest.mark.parametrize("tap", ["one-1-0; x", "a\nb", "one-1-0 drop"])
def test_what_is_no_tap_never_reaches_a_script(tap: str) -> None:
    nic = NicSpec(vm_id=1, nic_id=0, tap=tap, mac="02:00:00:00:00:01", network=LAN, filter=CardFilter(rules=RULES))
    with pytest.raises(UsageError):
        ruleset.script([nic], stateful=True)
    with pytest.raises(UsageError):
        fallback.restore([nic], (), [], 4)

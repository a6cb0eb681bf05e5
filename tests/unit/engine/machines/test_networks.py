"""What a guest is told of its cards: the card's own words, else its network's."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.context import variables
from nebula.engine.machines.machine import Alias, Machine, Nic
from nebula.engine.machines.networks import alias_context, nic_context
from nebula.engine.store.rows import NetworkRow
from nebula.errors import UsageError

NIC = Nic(nic_id=1, network_id=3, network="lan", mac="02:00:0a:00:00:05", tap="one-7-1", ip="10.0.0.5", ip6="fd00::5")
SETTINGS = {
    "gateway": "10.0.0.1",
    "prefix_length": 16,
    "dns": ["1.1.1.1"],
    "mtu": 9000,
    "gateway6": "fd00::1",
    "prefix_length6": 56,
}
ATTRIBUTES = {
    "SEARCH_DOMAIN": "example.org lan",
    "ROUTES": "10.9.0.0/16 via 10.0.0.254, 10.8.0.0/16 via 10.0.0.253",
    "METRIC": 40,
    "IP6_METRIC": "30",
    "METHOD": "static",
    "IP6_METHOD": "auto",
    "VLAN_ID": "12",
    "EXTERNAL": "yes",
}


def told(asked: dict[str, Any], attributes: dict[str, Any]) -> dict[str, str]:
    row = NetworkRow(name="lan", driver="bridge", bridge="br0", body={"settings": SETTINGS, "attributes": attributes})
    made = variables("web", {}, [nic_context(NIC, row, asked)], ())
    return {name.removeprefix("ETH1_"): value for name, value in made.items() if name.startswith("ETH1_")}


def test_a_network_tells_its_cards() -> None:
    assert told({}, ATTRIBUTES) == {
        "MAC": "02:00:0a:00:00:05",
        "IP": "10.0.0.5",
        "MASK": "255.255.0.0",
        "NETWORK": "10.0.0.0",
        "GATEWAY": "10.0.0.1",
        "DNS": "1.1.1.1",
        "MTU": "9000",
        "SEARCH_DOMAIN": "example.org lan",
        "ROUTES": "10.9.0.0/16 via 10.0.0.254, 10.8.0.0/16 via 10.0.0.253",
        "METRIC": "40",
        "METHOD": "static",
        "VLAN_ID": "12",
        "EXTERNAL": "YES",
        "IP6": "fd00::5",
        "IP6_PREFIX_LENGTH": "56",
        "IP6_GATEWAY": "fd00::1",
        "IP6_METRIC": "30",
        "IP6_METHOD": "auto",
    }


def test_a_card_may_say_otherwise() -> None:
    own = {"GATEWAY": "10.0.0.2", "DNS": "9.9.9.9, 8.8.8.8", "NETWORK_MASK": "255.255.255.0", "METRIC": "7"}
    found = told(
        {**own, "GUEST_MTU": "1400", "GATEWAY6": "fd00::2", "METHOD": "DHCP", "SEARCH_DOMAIN": "a.org,b.org"}, ATTRIBUTES
    )
    assert found["SEARCH_DOMAIN"] == "a.org b.org", "resolv.conf has spaces between them"
    expected = {"GATEWAY": "10.0.0.2", "DNS": "9.9.9.9 8.8.8.8", "MASK": "255.255.255.0", "METRIC": "7", "MTU": "1400"}
    assert found == found | expected | {"IP6_GATEWAY": "fd00::2", "METHOD": "dhcp"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"METRIC": "-1"},
        {"METRIC": "ten"},
        {"METHOD": "bootp"},
        {"IP6_METHOD": "none"},
        {"ROUTES": "10.9.0.0/16 10.0.0.254"},
        {"ROUTES": "10.9.0.0/99 via 10.0.0.254"},
        {"ROUTES": "10.9.0.0/16 via 10.0.0.254 dev"},
        {"ROUTES": "10.9.0.0/16 via 10.0.0.254 metric 5"},
        {"ROUTES": "10.9.0.0/16 via 10.0.0.254 dev eth0;reboot"},
        {"ROUTES": "10.9.0.0/16 via router"},
        {"DNS": "resolver"},
        {"GATEWAY": "10.0.0"},
        {"NETWORK_MASK": "300"},
    ],
)
def test_what_a_guest_would_stumble_over_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        told({}, wrong)
    assert "card 1" in caught.value.message


def test_a_template_speaks_of_its_cards_in_their_order() -> None:
    machine = Machine(template={"NIC_DEFAULT": {"METRIC": "5"}, "NIC": [{"NETWORK": "a"}, {"NETWORK": "b", "METRIC": "6"}]})
    cards = [Nic(nic_id=number, network_id=7, network="a", mac="", tap="") for number in range(3)]
    assert machine.card(cards[0]) == {"NETWORK": "a", "METRIC": "5"}
    assert machine.card(cards[1]) == {"NETWORK": "b", "METRIC": "6"}
    assert machine.card(cards[2]) == {"NETWORK_ID": "7", "METRIC": "5"}
    cards[0].asked = {"METRIC": "9"}
    assert machine.card(cards[0]) == {"METRIC": "9"}, "it was attached where another one was"


def test_an_alias_is_told_under_the_name_of_its_card() -> None:
    row = NetworkRow(name="lan", driver="bridge", bridge="br0", body={"settings": SETTINGS, "attributes": {}})
    alias = Alias(
        nic_id=4, alias_id=2, name="web", network_id=3, network="lan", mac="02:00:0a:00:00:06", ip="10.0.0.6", ip6="fd00::6",
        asked={"EXTERNAL": "YES", "GATEWAY": "10.0.0.9"},
    )  # fmt: skip
    made = variables("web", {}, [nic_context(NIC, row), alias_context(NIC, alias, row)], ())
    assert {name.removeprefix("ETH1_ALIAS2_"): value for name, value in made.items() if "_ALIAS" in name} == {
        "MAC": "02:00:0a:00:00:06",
        "IP": "10.0.0.6",
        "MASK": "255.255.0.0",
        "NETWORK": "10.0.0.0",
        "GATEWAY": "10.0.0.9",
        "DNS": "1.1.1.1",
        "MTU": "9000",
        "IP6": "fd00::6",
        "IP6_PREFIX_LENGTH": "56",
        "IP6_GATEWAY": "fd00::1",
        "EXTERNAL": "YES",
    }
    assert made["ETH1_IP"] == "10.0.0.5"

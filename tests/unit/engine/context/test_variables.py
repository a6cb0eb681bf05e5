"""Which variables a guest gets."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.context import NicContext, legal_hostname, render, variables
from nebula.errors import UsageError

NIC = NicContext(
    nic_id=0,
    mac="02:00:0a:00:00:05",
    ip="10.0.3.5",
    prefix_length=20,
    gateway="10.0.0.1",
    dns=("1.1.1.1", "8.8.8.8"),
    mtu=1400,
    routes="10.9.0.0/16 via 10.0.0.254",
)


def test_a_card_with_ipv4() -> None:
    assert variables("web", {}, [NIC], []) == {
        "NETWORK": "YES",
        "SET_HOSTNAME": "web",
        "ETH0_MAC": "02:00:0a:00:00:05",
        "ETH0_IP": "10.0.3.5",
        "ETH0_MASK": "255.255.240.0",
        "ETH0_NETWORK": "10.0.0.0",
        "ETH0_GATEWAY": "10.0.0.1",
        "ETH0_DNS": "1.1.1.1 8.8.8.8",
        "ETH0_MTU": "1400",
        "ETH0_ROUTES": "10.9.0.0/16 via 10.0.0.254",
    }


def test_a_card_with_ipv6_only() -> None:
    nic = NicContext(
        nic_id=2, mac="02:00:00:00:00:01", ip6="fd00::5", ip6_gateway="fd00::1", ip6_prefix_length=48, gateway="10.0.0.1"
    )
    made = variables("web", {"set_hostname": "other"}, [nic], [])
    assert made == {
        "NETWORK": "YES",
        "SET_HOSTNAME": "other",
        "ETH2_MAC": "02:00:00:00:00:01",
        "ETH2_IP6": "fd00::5",
        "ETH2_IP6_PREFIX_LENGTH": "48",
        "ETH2_IP6_GATEWAY": "fd00::1",
    }


def test_routes_are_on_one_line_whatever_their_spaces() -> None:
    """one-context reads the first line, between commas."""
    nic = msgspec.structs.replace(NIC, routes=" 10.9.0.0/16  via\t10.0.0.254,\n10.8.0.0/16 via 10.0.0.253,")
    assert variables("web", {}, [nic], [])["ETH0_ROUTES"] == "10.9.0.0/16 via 10.0.0.254, 10.8.0.0/16 via 10.0.0.253"


def test_a_route_may_name_its_device_and_its_metric() -> None:
    """NetworkManager's part of one-context takes no others."""
    told = "10.9.0.0/16 via 10.0.0.254 dev eth0, fd00:9::/48 via fd00::9 dev eth0 metric 5"
    assert variables("web", {}, [msgspec.structs.replace(NIC, routes=told)], [])["ETH0_ROUTES"] == told


def test_network_no_leaves_the_cards_out() -> None:
    assert variables("web", {"NETWORK": "no"}, [NIC], []) == {"NETWORK": "no", "SET_HOSTNAME": "web"}


def test_the_template_wins_over_the_card() -> None:
    assert variables("web", {"ETH0_IP": "10.0.3.77"}, [NIC], [])["ETH0_IP"] == "10.0.3.77"


def test_keys_are_joined_once_each() -> None:
    made = variables("web", {"SSH_PUBLIC_KEY": "ssh-rsa A a\n"}, [], ["ssh-rsa B b\nssh-rsa A a", ""])
    assert made["SSH_PUBLIC_KEY"] == "ssh-rsa A a\nssh-rsa B b"


def test_user_data_and_start_script_go_as_base64() -> None:
    made = variables("web", {"USER_DATA": "#cloud-config\n", "START_SCRIPT": "echo 'hi'"}, [], [])
    assert base64.b64decode(made["USER_DATA"]) == b"#cloud-config\n"
    assert made["USER_DATA_ENCODING"] == "base64"
    assert base64.b64decode(made["START_SCRIPT_BASE64"]) == b"echo 'hi'"
    assert "START_SCRIPT" not in made


def test_encoded_user_data_stays_as_it_is() -> None:
    given_context = {"USER_DATA": "aGk=", "USER_DATA_ENCODING": "base64", "START_SCRIPT": "no", "START_SCRIPT_BASE64": "eWVz"}
    made = variables("web", given_context, [], [])
    assert (made["USER_DATA"], made["START_SCRIPT_BASE64"]) == ("aGk=", "eWVz")


def test_an_impossible_address_is_refused() -> None:
    with pytest.raises(UsageError):
        variables("web", {}, [NicContext(nic_id=0, mac="02:00:00:00:00:01", ip="10.0.0.300")], [])


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("Web Sérver_1", "web-server-1"),
        ("a.b.example", "a.b.example"),
        ("--", "vm"),
        ("漢字", "vm"),
        ("x" * 80, "x" * 63),
        ("..a..", "a"),
    ],
)
def test_hostnames(name: str, hostname: str) -> None:
    assert legal_hostname(name) == hostname


@given(st.text())
def test_every_name_gives_a_legal_hostname(name: str) -> None:
    hostname = legal_hostname(name)
    assert 1 <= len(hostname) <= 63
    for label in hostname.split("."):
        assert label.replace("-", "a").isalnum()
        assert label.isascii()
        assert not label.startswith("-")
        assert not label.endswith("-")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_what_is_made_can_be_rendered(name: str) -> None:
    assert render(variables(name, {"USER_DATA": name}, [NIC], [name]))

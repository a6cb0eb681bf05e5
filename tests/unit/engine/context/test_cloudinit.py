"""The CD as Debian's cloud-init reads it, and what it would do with it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.context import NicContext, build_iso, render, variables
from tests.support.cloudinit import CloudInit, from_cd, rendered
from tests.unit.engine.context.test_script import names, values

FIRST, SECOND = "02:00:0a:00:00:05", "02:00:c0:a8:01:07"
NICS = [
    NicContext(
        nic_id=0,
        mac=FIRST,
        ip="10.0.3.5",
        prefix_length=20,
        gateway="10.0.0.1",
        dns=("1.1.1.1", "2606:4700::1"),
        search_domain="example.org lan",
        mtu=1400,
        metric=50,
        routes="10.9.0.0/16 via 10.0.0.254",
        ip6="2001:db8::5",
        ip6_gateway="2001:db8::1",
        ip6_prefix_length=48,
    ),
    NicContext(nic_id=1, mac=SECOND, ip="192.168.1.7", prefix_length=24),
]
CARDS = {FIRST: "enp1s0", SECOND: "enp2s0"}
GIVEN = {
    "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA it's me\nssh-rsa BBBB",
    "USER_DATA": "#cloud-config\npassword: 'ä $x `id`'\n",
    "MY_NOTE": "$(touch /tmp/PWNED)\n'\"\\",
}


@pytest.fixture(scope="module")
def cloudinit() -> Iterator[CloudInit]:
    with CloudInit() as reader:
        yield reader


def test_keys_hostname_user_data_and_cards_arrive(cloudinit: CloudInit) -> None:
    iso = build_iso({"context.sh": render(variables("Web 1", GIVEN, NICS, ["ssh-rsa CCCC"]))})
    found = cloudinit.read(from_cd(iso, "context.sh"), CARDS)
    assert found["metadata"]["public-keys"] == ["ssh-ed25519 AAAA it's me", "ssh-rsa BBBB", "ssh-rsa CCCC"]
    assert found["metadata"]["local-hostname"] == "web-1"
    assert found["metadata"]["MY_NOTE"] == GIVEN["MY_NOTE"]
    assert found["userdata"] == GIVEN["USER_DATA"]
    assert found["network-interfaces"] == {
        "version": 2,
        "ethernets": {
            "enp1s0": {
                "match": {"macaddress": FIRST},
                "addresses": ["10.0.3.5/20", "2001:db8::5/48"],
                "gateway4": "10.0.0.1",
                "gateway6": "2001:db8::1",
                "nameservers": {"addresses": ["1.1.1.1", "2606:4700::1"], "search": ["example.org", "lan"]},
                "mtu": "1400",
            },
            "enp2s0": {"match": {"macaddress": SECOND}, "addresses": ["192.168.1.7/24"]},
        },
    }


SIX = NicContext(nic_id=2, mac="02:00:00:00:00:09", ip6="fd00:2::9", ip6_ula="fd00:3::9", ip6_gateway="fd00:2::1")
ALIAS = NicContext(nic_id=0, alias_id=0, mac="02:00:0a:00:00:06", ip="10.0.3.6", ip6="2001:db8::6")


def test_what_it_makes_of_cards_without_ipv4_and_of_what_is_said_for_all_cards(cloudinit: CloudInit) -> None:
    """As docs/context.md warns: an address is made of the MAC where there is none, and aliases are passed over."""
    given = {"DNS": "9.9.9.9", "SEARCH_DOMAIN": "not.yet.known", "IP_PUBLIC": "192.0.2.1"}
    told = variables("web", given, [*NICS, SIX, ALIAS], [])
    cards = {**CARDS, SIX.mac: "enp3s0"}
    made = cloudinit.read(render(told), cards)["network-interfaces"]["ethernets"]
    assert sorted(made) == ["enp1s0", "enp2s0", "enp3s0"]
    assert made["enp3s0"]["addresses"] == ["0.0.0.9/24", "fd00:2::9/64", "fd00:3::9/64"]
    assert made["enp3s0"]["gateway6"] == "fd00:2::1"
    assert made["enp1s0"]["nameservers"]["addresses"] == ["1.1.1.1", "2606:4700::1", "9.9.9.9"]
    assert made["enp2s0"]["nameservers"] == {"addresses": ["9.9.9.9"]}
    assert not any(ALIAS.ip in address for card in made.values() for address in card["addresses"])


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (
            "eni",
            {
                "iface enp1s0 inet static": {"address 10.0.3.5/20", "gateway 10.0.0.1", "mtu 1400"}
                | {"dns-nameservers 1.1.1.1 2606:4700::1", "dns-search example.org lan"},
                "iface enp1s0 inet6 static": {"address 2001:db8::5/48", "gateway 2001:db8::1"},
            },
            {"iface enp2s0 inet static": {"address 192.168.1.7/24"}},
        ),
        (
            "netplan",
            {
                "enp1s0:": {"- 10.0.3.5/20", "- 2001:db8::5/48", "gateway4: 10.0.0.1", "gateway6: 2001:db8::1"}
                | {f"macaddress: {FIRST}", "mtu: '1400'", "- 1.1.1.1", "- 2606:4700::1", "- example.org", "- lan"},
            },
            {"enp2s0:": {f"macaddress: {SECOND}", "- 192.168.1.7/24"}},
        ),
        (
            "networkd",
            {
                "enp1s0": {"Address=10.0.3.5/20", "Address=2001:db8::5/48", "Gateway=10.0.0.1", "Gateway=2001:db8::1"}
                | {f"MACAddress={FIRST}", "MTUBytes=1400", "DNS=1.1.1.1 2606:4700::1", "Domains=example.org lan"},
            },
            {"enp2s0": {f"MACAddress={SECOND}", "Address=192.168.1.7/24"}},
        ),
        (
            "network-manager",
            {
                "enp1s0": {"address1=10.0.3.5/20", "gateway=10.0.0.1", "address1=2001:db8::5/48", "gateway=2001:db8::1"}
                | {f"mac-address={FIRST.upper()}", "mtu=1400", "dns=1.1.1.1;", "dns=2606:4700::1;"}
                | {"dns-search=example.org;lan;"},
            },
            {"enp2s0": {f"mac-address={SECOND.upper()}", "address1=192.168.1.7/24"}},
        ),
    ],
)
def test_each_way_to_set_up_a_network_is_told_all_of_it(
    cloudinit: CloudInit, kind: str, first: dict[str, set[str]], second: dict[str, set[str]]
) -> None:
    found = cloudinit.read(render(variables("web", {}, NICS, [])), CARDS)["network-interfaces"]
    parts = rendered(found, kind)
    for head, lines in {**first, **second}.items():
        assert lines <= parts[head], (head, parts)
    (other,) = second
    assert not any("gateway" in line.lower() or "mtu" in line.lower() for line in parts[other])


def test_it_reads_the_script_as_nobody_by_itself() -> None:
    with CloudInit("" if os.geteuid() else "nobody") as reader:
        assert reader.read(render(variables("web", GIVEN, [], [])))["metadata"]["MY_NOTE"] == GIVEN["MY_NOTE"]


@settings(max_examples=60, deadline=None)
@given(given=st.dictionaries(names, values, max_size=8), data=values, script=values)
def test_any_text_comes_out_as_it_went_in(cloudinit: CloudInit, given: dict[str, str], data: str, script: str) -> None:
    told = variables("web", {**given, "USER_DATA": data, "START_SCRIPT": script}, [], [])
    found = cloudinit.read(render(told))
    assert {name: found["metadata"][name] for name in given} == given
    if data:
        assert found["userdata"].encode() == data.encode()
    if script:
        assert base64.b64decode(found["metadata"]["START_SCRIPT_BASE64"]) == script.encode()


@pytest.mark.parametrize(
    "old", [{"USERDATA": "#!/bin/sh\n:\n"}, {"USERDATA": "IyEvYmluL3NoCjoK", "USERDATA_ENCODING": "base64"}]
)
def test_user_data_by_their_older_name(cloudinit: CloudInit, old: dict[str, str]) -> None:
    assert cloudinit.read(render(variables("web", old, [], [])))["userdata"] == "#!/bin/sh\n:\n"


def test_a_start_script_is_run_by_cloud_init_where_there_are_no_user_data(cloudinit: CloudInit) -> None:
    assert cloudinit.read(render(variables("web", {"START_SCRIPT": "echo hi\n"}, [], [])))["userdata"] == "#!/bin/sh\necho hi\n"
    told = variables("web", {"START_SCRIPT": "#!/usr/bin/python3\n"}, [], [])
    assert cloudinit.read(render(told))["userdata"] == "#!/usr/bin/python3\n"
    both = variables("web", {"START_SCRIPT": "echo hi\n", "USER_DATA": "#cloud-config\n"}, [], [])
    assert cloudinit.read(render(both))["userdata"] == "#cloud-config\n"


def test_a_key_by_its_older_name_joins_the_others(cloudinit: CloudInit) -> None:
    told = variables("web", {"SSH_KEY": "ssh-rsa OLD", "SSH_PUBLIC_KEY": "ssh-rsa NEW"}, [], ["ssh-rsa MINE"])
    assert cloudinit.read(render(told))["metadata"]["public-keys"] == ["ssh-rsa OLD", "ssh-rsa NEW", "ssh-rsa MINE"]

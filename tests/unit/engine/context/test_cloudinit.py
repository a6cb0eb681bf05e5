"""The CD as Debian's cloud-init reads it, and what it would do with it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.context import NicContext, build_iso, render, variables
from tests.support.cloudinit import CloudInit, from_cd
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

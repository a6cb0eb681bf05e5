"""Bridges of ours that are left with an uplink of the host as their port: named, and taken away where nobody can want them."""

from __future__ import annotations

import msgspec
import pytest

from tests.contract.network import OWNED, NetworkSubject
from tests.unit.drivers.network.namespaces import Namespace

UPLINKED = msgspec.structs.replace(OWNED, physical_device="up0")


@pytest.fixture
def left(host: Namespace, network_subject: NetworkSubject) -> NetworkSubject:
    """The host has the bridge of a network that is gone, whose port is its device up0."""
    for name in ("up0", "up1"):
        host.sh(f"ip link add {name} type veth peer name far-{name}")
    network_subject.driver.prepare(network_subject.host, UPLINKED)
    return network_subject


def held(subject: NetworkSubject) -> str:
    """What the one stray is held by; it stays then, whoever is told to take it away."""
    [stray] = subject.driver.strays(subject.host, [])
    assert stray.name == "onebr7"
    if stray.held:
        subject.driver.clear_stray(subject.host, stray)
        assert subject.bridges() == ["onebr7"]
    return stray.held


def test_a_bridge_with_one_way_out_is_taken_away_and_the_device_is_free(host: Namespace, left: NetworkSubject) -> None:
    assert left.driver.strays(left.host, [UPLINKED]) == []
    assert held(left) == ""
    [stray] = left.driver.strays(left.host, [])
    for _ in range(2):
        left.driver.clear_stray(left.host, stray)
        assert left.bridges() == []
    assert "master" not in host.sh("ip link show dev up0")


def test_one_that_carries_the_host_stays(host: Namespace, left: NetworkSubject) -> None:
    host.sh("ip address add 192.0.2.1/24 dev onebr7")
    assert held(left) == "it carries the host's own 192.0.2.1/24"
    host.sh("ip address flush dev onebr7")
    host.sh("ip route add 198.51.100.0/24 dev onebr7")
    assert held(left).startswith("it carries the host's own routes: 198.51.100.0/24")


def test_one_that_joins_two_wires_or_that_others_go_through_stays(host: Namespace, left: NetworkSubject) -> None:
    host.sh("ip link set up1 master onebr7")
    assert held(left) == "it joins up0, up1"
    host.sh("ip link set up1 nomaster")
    host.sh("ip link add above0 link onebr7 type macvlan")
    assert held(left) == "above0 goes through it"
    host.sh("ip link delete above0")
    assert held(left) == ""


def test_one_with_a_card_is_not_told_of(host: Namespace, left: NetworkSubject) -> None:
    host.sh("ip tuntap add dev vnet0 mode tap")
    host.sh("ip link set vnet0 master onebr7")
    assert left.driver.strays(left.host, []) == []

"""Open vSwitch with its real daemons: the contract, VLANs between guests on two hosts, what is left behind, what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.network.ovswitch import OvsNetwork
from nebula.errors import ConflictError
from nebula.model.firewall import CardFilter
from nebula.model.network import NetworkSpec
from tests.contract.network import *  # noqa: F403
from tests.contract.network import EXISTING, NetworkSubject, card
from tests.unit.drivers.network.conftest import subject
from tests.unit.drivers.network.guests import Guest
from tests.unit.drivers.network.namespaces import Namespace, cable, handle
from tests.unit.drivers.network.openvswitch import clear, guest, switch, switch_subject

OWNED = NetworkSpec(network_id=7, name="lan", driver="ovswitch", bridge="onebr7", owned=True)
UPLINKED = msgspec.structs.replace(OWNED, physical_device="up0", mtu=1600)


def tagged(vlan_id: int, *trunks: int, base: NetworkSpec = UPLINKED) -> NetworkSpec:
    return msgspec.structs.replace(base, network_id=base.network_id + vlan_id, vlan_id=vlan_id, trunks=trunks)


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    yield from switch(tmp_path_factory.mktemp("ovs") / "one")


@pytest.fixture
def ovs(daemons: Namespace) -> Iterator[Namespace]:
    """A host with Open vSwitch and nothing on it."""
    yield daemons
    clear(daemons)


@pytest.fixture
def network_subject(ovs: Namespace, tmp_path: Path) -> NetworkSubject:
    return switch_subject(ovs, tmp_path, OvsNetwork(), OWNED)


def test_guests_of_one_vlan_talk_across_hosts_and_others_do_not(tmp_path: Path) -> None:
    """Two networks share the bridge that has their uplink; a trunk carries both, one of them without its tag."""
    driver = OvsNetwork()
    one, two, both = tagged(100), tagged(200), tagged(200, 100)
    with contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(contextlib.contextmanager(switch)(tmp_path / name)) for name in ("one", "two"))
        cable(here, "up0", there, "up0")
        guests: list[Guest] = []
        for number, (host, network) in enumerate(((here, one), (there, one), (there, two), (here, both)), 1):
            driver.prepare(handle(host, tmp_path), network)
            made = stack.enter_context(contextlib.contextmanager(guest)(host, network, number))
            guests.append(made)
            driver.plugged(handle(host, tmp_path), made.nic)
        first, second, other, trunk = guests
        assert here.sh("ovs-vsctl list-br").split() == there.sh("ovs-vsctl list-br").split() == ["onebr7"]
        assert "mtu 1600" in here.sh("ip link show dev up0")
        with second.serving(53), other.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(other, 53) == 0
            assert trunk.asks(other, 53, times=3, patience=5.0) >= 1
            assert trunk.asks(second, 53) == 0
            driver.plugged(handle(here, tmp_path), msgspec.structs.replace(first.nic, network=two))
            assert first.asks(other, 53, times=3, patience=5.0) >= 1
            assert first.asks(second, 53) == 0


def test_an_uplink_belongs_to_one_bridge(ovs: Namespace, network_subject: NetworkSubject) -> None:
    ovs.sh("ip link add up0 type veth peer name far0")
    driver, on = network_subject.driver, network_subject.host
    network_subject.add_bridge("br0")
    ovs.sh("ovs-vsctl add-port br0 up0")
    with pytest.raises(ConflictError) as caught:
        driver.prepare(on, UPLINKED)
    assert "--bridge br0" in caught.value.hint
    assert network_subject.bridges() == ["br0"]
    ovs.sh("ovs-vsctl del-port br0 up0")
    ovs.sh("ip address add 192.0.2.1/24 dev up0")
    with pytest.raises(ConflictError, match="own addresses"):
        driver.prepare(on, UPLINKED)
    assert [one.check for one in driver.check(on, UPLINKED) if one.level == "error"] == ["uplink"]
    ovs.sh("ip address flush dev up0")
    for _ in range(2):
        driver.prepare(on, UPLINKED)
    assert ovs.sh("ovs-vsctl list-ports onebr7").split() == ["up0"]
    driver.release(on, UPLINKED)
    assert network_subject.bridges() == ["br0"]
    assert "up0" in ovs.sh("ip -br link")


def test_somebody_elses_bridge_or_device_of_that_name_is_left(ovs: Namespace, network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    ovs.sh("ip link add onebr7 type bridge")
    with pytest.raises(ConflictError, match="no bridge of Open vSwitch"):
        driver.prepare(on, OWNED)
    driver.release(on, OWNED)
    ovs.sh("ip link delete onebr7")
    network_subject.add_bridge("onebr7")
    with pytest.raises(ConflictError, match="did not make"):
        driver.prepare(on, OWNED)
    driver.release(on, OWNED)
    assert network_subject.bridges() == ["onebr7"]


def test_a_port_whose_device_is_gone_is_found_and_cleared(ovs: Namespace, network_subject: NetworkSubject) -> None:
    """As after a power cut: the database of Open vSwitch outlives it, devices do not."""
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    network_subject.add_tap(card(OWNED))
    ovs.sh(f"ip link delete {card(OWNED).tap}")
    driver.release(on, OWNED)
    assert (driver.taps(on), network_subject.bridges()) == ([card(OWNED).tap], ["onebr7"])
    for _ in range(2):
        driver.unplugged(on, card(OWNED))
    driver.release(on, OWNED)
    assert (driver.taps(on), network_subject.bridges()) == ([], [])


def test_rules_are_refused_and_not_pretended(network_subject: NetworkSubject) -> None:
    nic = msgspec.structs.replace(card(OWNED), filter=CardFilter(rules=()))
    with pytest.raises(ConflictError) as caught:
        network_subject.driver.set_filters(network_subject.host, [nic])
    assert caught.value.hint


def test_nothing_forged_passes(ovs: Namespace, network_subject: NetworkSubject) -> None:
    """While another card of the bridge sends what it likes; and in the end nothing filters anybody."""
    driver, on = network_subject.driver, network_subject.host
    network = tagged(100, base=OWNED)
    driver.prepare(on, network)
    with contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(contextlib.contextmanager(guest)(ovs, network, n)) for n in (1, 2, 3))
        driver.set_filters(on, [first.with_filter(CardFilter())])
        assert driver.filtered(on) == []
        for each in (first, second, third):
            driver.plugged(on, each.nic)
        for number, each in enumerate((first, second, third), 91):
            each.inside.sh(f"ip address add 10.9.0.{number}/24 dev eth0")
            each.inside.sh(f"ip address add fd09::{number}/64 dev eth0 nodad")
        filters = [each.with_filter(CardFilter(own_mac=mac, own_ips=ips)) for each, mac, ips in
                   ((first, True, True), (second, False, True))]  # fmt: skip
        for _ in range(2):
            driver.set_filters(on, filters)
        assert driver.filtered(on) == ["one-1-0", "one-2-0"]
        with third.serving(53), first.serving(53), third.serving(53, third.nic.ip6):
            for number, each in enumerate((first, second), 91):
                assert each.asks(third, 53, times=3, patience=5.0) >= 1
                assert each.asks(third, 53, source=f"10.9.0.{number}") == 0
                assert each.asks(third, 53, times=3, patience=5.0, to=third.nic.ip6, source=each.nic.ip6) >= 1
                assert each.asks(third, 53, to=third.nic.ip6, source=f"fd09::{number}") == 0
            assert third.asks(first, 53, times=3, patience=5.0, source="10.9.0.93") >= 1
            for each, answers in ((first, 0), (second, 1)):
                each.inside.sh("ip link set eth0 address 02:00:0a:09:00:99")
                each.inside.sh("ip neighbour flush dev eth0")
                assert min(each.asks(third, 53, times=3, patience=2.0), 1) == answers
            driver.set_filters(on, [first.nic])
            assert driver.filtered(on) == ["one-2-0"]
            assert first.asks(third, 53, times=3, patience=5.0) >= 1
            ovs.sh("ovs-vsctl del-port one-2-0")
            driver.unplugged(on, filters[1])
            assert driver.filtered(on) == []


def test_a_port_has_nothing_of_one_that_had_its_number(ovs: Namespace, network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    network_subject.add_tap(card(OWNED))
    number = ovs.sh(f"ovs-vsctl get Interface {card(OWNED).tap} ofport").strip()
    ovs.sh(f"ovs-ofctl add-flow onebr7 cookie={0x6E62 << 48 | 77 << 16:#x},in_port={number},actions=drop")
    assert driver.filtered(on) == ["one-77-0"]
    driver.plugged(on, card(OWNED))
    assert driver.filtered(on) == []


def test_a_host_whose_open_vswitch_does_not_run_is_told_of(host: Namespace, tmp_path: Path) -> None:
    """And with it, nothing that only looks fails."""
    nowhere = subject(host, tmp_path)
    driver, on = OvsNetwork(), nowhere.host
    for network in (OWNED, EXISTING):
        with pytest.raises(ConflictError, match="Open vSwitch") as caught:
            driver.prepare(on, network)
        assert "openvswitch-switch" in caught.value.hint
        (finding,) = driver.check(on, network)
        assert (finding.check, finding.level, finding.fix) == ("openvswitch", "error", caught.value.hint)
        driver.release(on, network)
    driver.unplugged(on, card(OWNED))
    assert driver.taps(on) == []

"""Open vSwitch with its real daemons: the contract, VLANs between guests on two hosts, what is left behind, what is missing."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.network.ovswitch import OvsNetwork
from nebula.errors import ConflictError
from nebula.model.firewall import CardFilter, FilterRule
from nebula.model.network import NetworkSpec, NicSpec
from tests.contract.network import *  # noqa: F403
from tests.contract.network import EXISTING, NetworkSubject, card
from tests.unit.drivers.network.conftest import subject
from tests.unit.drivers.network.guests import Guest
from tests.unit.drivers.network.namespaces import Namespace, cable, handle
from tests.unit.drivers.network.openvswitch import clear, guest, restart, switch, switch_subject

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
            driver.expect(handle(host, tmp_path), made.nic)
            driver.plugged(handle(host, tmp_path), made.nic)
        first, second, other, trunk = guests
        for host, cards in ((here, (first, trunk)), (there, (second, other))):
            assert sorted(host.sh("ovs-vsctl list-br").split()) == [*(one.nic.bridge for one in cards), "onebr7"]
        assert "mtu 1600" in here.sh("ip link show dev up0")
        with second.serving(53), other.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(other, 53) == 0
            assert trunk.asks(other, 53, times=3, patience=5.0) >= 1
            assert trunk.asks(second, 53) == 0
            driver.plugged(handle(here, tmp_path), msgspec.structs.replace(first.nic, network=two))
            assert first.asks(other, 53, times=3, patience=5.0) >= 1
            assert first.asks(second, 53) == 0


@pytest.mark.parametrize("kind", ["802.1q", "802.1ad"])
def test_vlans_within_a_vlan_reach_the_other_host_and_no_others_do(tmp_path: Path, kind: str) -> None:
    """A guest on the other host gets what it tags itself within the network's VLAN; one in that VLAN alone sees none of it."""
    driver = OvsNetwork()
    network = msgspec.structs.replace(tagged(100), customer_vlans=(7, 8), qinq_type=kind)
    with contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(contextlib.contextmanager(switch)(tmp_path / name)) for name in ("one", "two"))
        cable(here, "up0", there, "up0")
        guests: list[Guest] = []
        with pytest.raises(ConflictError) as caught:
            driver.prepare(handle(here, tmp_path), network)
        assert [one.fix for one in driver.check(handle(here, tmp_path), network) if one.level == "error"] == [caught.value.hint]
        for number, host in ((1, here), (2, there)):
            host.sh(caught.value.hint.partition(": ")[2])
            driver.prepare(handle(host, tmp_path), network)
            made = stack.enter_context(contextlib.contextmanager(guest)(host, network, number))
            driver.expect(handle(host, tmp_path), made.nic)
            driver.plugged(handle(host, tmp_path), made.nic)
            guests.append(made)
        first, second = guests
        with second.hearing() as words:
            first.sends(*(within(first.nic.mac, number, f"in-{number}") for number in (7, 8, 9, 0)))
            first.sends(within(first.nic.mac, 7, "end"))
        assert sorted(word for word in words if word.startswith("in-")) == ["in-7", "in-8"]
        driver.plugged(handle(there, tmp_path), msgspec.structs.replace(second.nic, network=tagged(100)))
        options = there.sh(f"ovs-vsctl get Port {second.nic.tap}p vlan_mode cvlans").split()
        assert options == ["[]", "[]"]


def within(mac: str, vlan: int, word: str) -> bytes:
    """A broadcast in a VLAN (0: in none), whose word is found where a broadcast's without a tag is."""
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    body = struct.pack("!H", 0x88B5).ljust(30, b"\0") + word.encode()
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + tag + body.ljust(60, b"\0")


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
    driver.expect(on, card(OWNED))
    network_subject.add_tap(card(OWNED))
    ovs.sh(f"ip link delete {card(OWNED).tap}")
    driver.release(on, OWNED)
    assert (driver.taps(on), network_subject.bridges()) == ([card(OWNED).tap], ["onebr7"])
    for _ in range(2):
        driver.unplugged(on, card(OWNED))
    driver.release(on, OWNED)
    assert (driver.taps(on), network_subject.bridges()) == ([], [])


def test_a_card_without_a_tap_is_found_and_cleared(ovs: Namespace, network_subject: NetworkSubject) -> None:
    """As after an engine's end between the bridge of a card and its start."""
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    for wanted in (None, CardFilter(rules=())):
        driver.set_filters(on, [msgspec.structs.replace(card(OWNED), filter=wanted)])
        driver.expect(on, card(OWNED))
        assert (driver.taps(on), driver.filtered(on)) == ([card(OWNED).tap], [card(OWNED).tap] if wanted else [])
        driver.set_filters(on, [nobodys(card(OWNED))])
        assert (driver.taps(on), driver.filtered(on)) == ([], [])
    driver.release(on, OWNED)
    assert ovs.sh("ovs-vsctl list-br") == ""


def test_a_card_that_somebody_uses_keeps_its_bridge(network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    driver.set_filters(on, [msgspec.structs.replace(card(OWNED), filter=CardFilter())])
    network_subject.add_tap(card(OWNED))
    driver.set_filters(on, [nobodys(card(OWNED))])
    assert (driver.taps(on), driver.filtered(on)) == ([card(OWNED).tap], [])


def nobodys(nic: NicSpec) -> NicSpec:
    """Of the card no more than its tap's name is known."""
    nowhere = NetworkSpec(network_id=0, name="", driver="", bridge="")
    return NicSpec(vm_id=0, nic_id=0, tap=nic.tap, mac="", network=nowhere)


def test_zones_are_the_cards_own(ovs: Namespace, network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    cards = [msgspec.structs.replace(card(OWNED, number), filter=CardFilter(rules=())) for number in (1, 2)]

    def zones() -> list[str]:
        return [ovs.sh(f"ovs-vsctl get Bridge {nic.bridge} external_ids:nebula-zone").strip() for nic in cards]

    for _ in range(2):
        driver.set_filters(on, cards)
        assert zones() == ['"24576"', '"24577"']
    driver.unplugged(on, cards[0])
    driver.set_filters(on, [*reversed(cards)])
    assert zones() == ['"24576"', '"24577"']


def test_nothing_passes_between_the_plug_and_the_look_at_it(ovs: Namespace, network_subject: NetworkSubject) -> None:
    """The card is there as a hypervisor plugs it, its guest asks at once and is asked, and we have not been there since."""
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(contextlib.contextmanager(guest)(ovs, OWNED, n)) for n in (1, 2))
        first.inside.sh("ip address add 10.9.0.91/24 dev eth0")
        driver.expect(on, second.nic)
        driver.plugged(on, second.nic)
        only_out = CardFilter(rules=(FilterRule(inbound=False, protocol="udp", ports=((53, 53),)),))
        driver.set_filters(on, [first.with_filter(only_out)])
        assert "NO_FLOOD" in ovs.sh(f"ovs-ofctl show {first.nic.bridge}")
        ovs.sh(f"ovs-vsctl add-port {first.nic.bridge} {first.nic.tap}")
        with second.serving(53), second.serving(54), first.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(second, 53, source="10.9.0.91") == 0
            assert first.asks(second, 54) == 0
            assert second.asks(first, 53) == 0


def test_a_filtered_card_is_shut_where_the_switch_was_restarted(ovs: Namespace, network_subject: NetworkSubject) -> None:
    """Its flows are gone then. It is seen, and the same rules again are what was there before."""
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, OWNED)
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(contextlib.contextmanager(guest)(ovs, OWNED, n)) for n in (1, 2))
        closed = first.with_filter(CardFilter(rules=(FilterRule(inbound=False),)))
        for each in (first, second):
            driver.expect(on, each.nic)
            driver.plugged(on, each.nic)
        driver.set_filters(on, [closed])
        with second.serving(53), first.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            restart(ovs)
            assert (driver.filtered(on), driver.taps(on)) == ([], [first.nic.tap, second.nic.tap])
            assert first.asks(second, 53) == second.asks(first, 53) == 0
            driver.set_filters(on, [closed])
            assert driver.filtered(on) == [first.nic.tap]
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert second.asks(first, 53) == 0


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


def test_a_bridge_that_is_left_with_an_uplink_is_taken_away_unless_it_carries_the_host(
    ovs: Namespace, network_subject: NetworkSubject
) -> None:
    ovs.sh("ip link add up0 type veth peer name far0")
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, UPLINKED)
    assert driver.strays(on, [UPLINKED]) == []
    ovs.sh("ip address add 192.0.2.1/24 dev onebr7")
    [stray] = driver.strays(on, [])
    assert stray.held == "it carries the host's own 192.0.2.1/24"
    driver.clear_stray(on, stray)
    assert network_subject.bridges() == ["onebr7"]
    ovs.sh("ip address flush dev onebr7")
    [stray] = driver.strays(on, [])
    for _ in range(2):
        driver.clear_stray(on, stray)
        assert network_subject.bridges() == []

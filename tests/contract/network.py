"""What every network driver keeps. A test module imports the tests and gives the fixture `network_subject`."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest

from nebula.drivers.base import HostHandle, Network
from nebula.errors import ConflictError, NotFoundError
from nebula.model.firewall import CardFilter, FilterRule
from nebula.model.network import Lease, NetworkSpec, NicSpec

OWNED = NetworkSpec(network_id=7, name="lan", driver="", bridge="onebr7", owned=True)


class NetworkSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A driver, a host without any bridge of the tests, and what the hypervisor and the host's owner do there."""

    driver: Network
    host: HostHandle
    add_bridge: Callable[[str], None]
    """Make a bridge that is the host's own, and switch it on."""
    add_tap: Callable[[NicSpec], None]
    """What a hypervisor does for a card: make its tap on its bridge."""
    bridges: Callable[[], list[str]]
    """Names of the host's bridges."""
    owned: NetworkSpec = OWNED
    """A network whose bridge is ours."""


EXISTING = NetworkSpec(network_id=8, name="office", driver="", bridge="br0")
NAT = NetworkSpec(network_id=9, name="inside", driver="", bridge="onebr9", owned=True, nat=True, gateway="10.77.5.1")


FIRST = 10 * (1000 + os.getpid())
"""VMs of our own: drivers look through all processes of the machine for one that holds a tap, whatever its namespace."""
TAPS = (f"one-{FIRST + 1}-0", f"one-{FIRST + 2}-0")


def card(network: NetworkSpec, number: int = 1) -> NicSpec:
    """The card of the first or second VM on the network."""
    mac = f"02:00:00:00:{number:02x}:00"
    return NicSpec(vm_id=FIRST + number, nic_id=0, tap=TAPS[number - 1], mac=mac, network=network)


def test_an_owned_bridge_comes_and_goes(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    for _ in range(2):
        driver.prepare(host, network_subject.owned)
        assert network_subject.bridges() == ["onebr7"]
    for _ in range(2):
        driver.release(host, network_subject.owned)
        assert network_subject.bridges() == []


def test_a_bridge_with_a_card_stays(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    driver.prepare(host, network_subject.owned)
    for number in (1, 2):
        driver.expect(host, card(network_subject.owned, number))
        network_subject.add_tap(card(network_subject.owned, number))
        driver.plugged(host, card(network_subject.owned, number))
    assert driver.taps(host) == [*TAPS]
    driver.unplugged(host, card(network_subject.owned, 1))
    driver.release(host, network_subject.owned)
    assert (driver.taps(host), network_subject.bridges()) == ([TAPS[1]], ["onebr7"])
    for _ in range(2):
        driver.unplugged(host, card(network_subject.owned, 2))
        driver.release(host, network_subject.owned)
    assert (driver.taps(host), network_subject.bridges()) == ([], [])


def test_a_reservation_shares_the_bridge(network_subject: NetworkSubject) -> None:
    driver, host, whole = network_subject.driver, network_subject.host, network_subject.owned
    part = msgspec.structs.replace(whole, network_id=11, name="part", root_id=whole.network_id)
    for network in (part, whole, part):
        driver.prepare(host, network)
        assert network_subject.bridges() == ["onebr7"]
    driver.expect(host, card(part))
    network_subject.add_tap(card(part))
    driver.plugged(host, card(part))
    driver.release(host, whole)
    assert network_subject.bridges() == ["onebr7"]
    driver.unplugged(host, card(part))
    driver.release(host, part)
    assert network_subject.bridges() == []


def test_what_is_left_of_a_network_that_is_gone_is_found_and_taken_away(network_subject: NetworkSubject) -> None:
    driver, host, network = network_subject.driver, network_subject.host, network_subject.owned
    network_subject.add_bridge("br0")
    assert driver.strays(host, []) == []
    driver.prepare(host, network)
    assert driver.strays(host, [network]) == []
    [stray] = driver.strays(host, [])
    assert network.bridge in stray.name.split(", ")
    driver.expect(host, card(network))
    network_subject.add_tap(card(network))
    driver.plugged(host, card(network))
    assert driver.strays(host, []) == []
    driver.clear_stray(host, stray)
    assert network.bridge in network_subject.bridges()
    driver.unplugged(host, card(network))
    for _ in range(2):
        driver.clear_stray(host, stray)
        assert network_subject.bridges() == ["br0"]
        assert driver.strays(host, []) == []


def test_a_bridge_of_the_hosts_own_is_used_and_left(network_subject: NetworkSubject) -> None:
    if not network_subject.driver.capabilities.existing:
        return
    driver, host = network_subject.driver, network_subject.host
    network_subject.add_bridge("br0")
    driver.prepare(host, EXISTING)
    driver.expect(host, card(EXISTING))
    network_subject.add_tap(card(EXISTING))
    driver.plugged(host, card(EXISTING))
    driver.unplugged(host, card(EXISTING))
    driver.release(host, EXISTING)
    assert network_subject.bridges() == ["br0"]


def test_a_missing_bridge_is_a_conflict_with_a_hint(network_subject: NetworkSubject) -> None:
    if not network_subject.driver.capabilities.existing:
        return
    with pytest.raises(ConflictError) as caught:
        network_subject.driver.prepare(network_subject.host, EXISTING)
    assert "br0" in str(caught.value)
    assert caught.value.hint
    assert network_subject.bridges() == []


def test_a_card_without_tap_is_not_found(network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, network_subject.owned)
    with pytest.raises(NotFoundError) as caught:
        network_subject.driver.plugged(network_subject.host, card(network_subject.owned))
    assert caught.value.hint


def test_unplugging_and_releasing_what_is_not_there_is_fine(network_subject: NetworkSubject) -> None:
    more = (EXISTING, NAT) if network_subject.driver.capabilities.existing else ()
    for network in (network_subject.owned, *more):
        network_subject.driver.unplugged(network_subject.host, card(network))
        network_subject.driver.release(network_subject.host, network)
    assert network_subject.driver.taps(network_subject.host) == []


def test_a_check_changes_nothing_and_says_what_is_wrong(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    assert all(finding.level != "error" for finding in driver.check(host, network_subject.owned))
    assert network_subject.bridges() == []
    if not network_subject.driver.capabilities.existing:
        return
    errors = [finding for finding in driver.check(host, EXISTING) if finding.level == "error"]
    assert errors
    assert all(finding.fix for finding in errors)
    network_subject.add_bridge("br0")
    assert all(finding.level != "error" for finding in driver.check(host, EXISTING))


def test_a_nat_network_comes_and_goes(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    if not driver.capabilities.nat:
        return
    for _ in range(2):
        driver.prepare(host, NAT)
    assert network_subject.bridges() == ["onebr9"]
    for _ in range(2):
        driver.release(host, NAT)
    assert network_subject.bridges() == []


def test_addresses_are_given_while_the_host_carries_the_network(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    if not driver.capabilities.dhcp:
        driver.serve(host, network_subject.owned, [])
        assert driver.serving(host) == []
        return
    wanted = msgspec.structs.replace(network_subject.owned, dhcp="10.77.7.1", gateway="10.77.7.1")
    leases = [Lease(mac="02:00:0a:4d:07:0a", ip="10.77.7.10", name="web")]
    driver.serve(host, wanted, leases)
    assert (driver.serving(host), network_subject.bridges()) == ([], [])
    driver.prepare(host, wanted)
    for given in (leases, [], leases):
        driver.serve(host, wanted, given)
        assert driver.serving(host) == [wanted.bridge_id]
    for _ in range(2):
        driver.release(host, wanted)
        assert driver.serving(host) == []
    driver.serve(host, wanted, leases)
    assert (driver.serving(host), network_subject.bridges()) == ([], [])


def test_filters_are_there_before_the_card_and_go_with_it(network_subject: NetworkSubject) -> None:
    driver, host = network_subject.driver, network_subject.host
    driver.prepare(host, network_subject.owned)
    rules = (FilterRule(inbound=False), FilterRule(inbound=True, protocol="tcp", ports=((80, 80),)))
    cards = [
        msgspec.structs.replace(card(network_subject.owned, number), ip=f"10.0.0.{number}", filter=CardFilter(rules=rules))
        for number in (1, 2)
    ]
    for _ in range(2):
        driver.set_filters(host, cards)
        assert driver.filtered(host) == [*TAPS]
    driver.expect(host, cards[0])
    assert driver.filtered(host) == [*TAPS]
    network_subject.add_tap(cards[0])
    driver.plugged(host, cards[0])
    driver.set_filters(host, [msgspec.structs.replace(cards[1], filter=None)])
    assert driver.filtered(host) == [TAPS[0]]
    for _ in range(2):
        for one in cards:
            driver.unplugged(host, one)
        assert (driver.filtered(host), driver.taps(host)) == ([], [])


def test_probes_hear_each_other_and_leave_nothing(network_subject: NetworkSubject) -> None:
    driver, host, network = network_subject.driver, network_subject.host, network_subject.owned
    driver.prepare(host, network)
    with driver.probe(host, network, "169.254.9.1") as one, driver.probe(host, network, "169.254.9.2") as other:
        assert one.mtu == other.mtu
        (answer,) = one.ask(["169.254.9.2"])
        assert (answer.address, answer.found, answer.whole) == ("169.254.9.2", True, one.mtu)
    assert driver.taps(host) == []
    driver.release(host, network)
    assert network_subject.bridges() == []

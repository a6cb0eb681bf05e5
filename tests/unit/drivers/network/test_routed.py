"""Routed networks, with real packets."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from nebula.errors import UsageError
from tests.contract.network import NAT, NetworkSubject
from tests.unit.drivers.network.namespaces import Namespace, make
from tests.unit.drivers.network.test_nat import plug, state, talk

ROUTED = msgspec.structs.replace(NAT, nat=False, routed=True)


@pytest.fixture
def guest(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> Iterator[Namespace]:
    """Behind the prepared network, at 10.77.5.10; outside knows the way."""
    outside.sh("ip route add 10.77.5.0/24 via 192.0.2.2")
    for namespace in make():
        network_subject.driver.prepare(network_subject.host, ROUTED)
        plug(host, namespace, 1)
        yield namespace


def test_a_guest_reaches_the_outside_as_itself_and_is_reached(guest: Namespace, outside: Namespace) -> None:
    assert talk(guest, outside, "192.0.2.1") == "10.77.5.10"
    assert talk(outside, guest, "10.77.5.10") == "192.0.2.1"


def test_a_forged_source_does_not_get_out(guest: Namespace, outside: Namespace) -> None:
    guest.sh("ip address add 198.51.100.7/32 dev lo")
    guest.sh("ip route replace default via 10.77.5.1 src 198.51.100.7")
    outside.sh("ip route add 198.51.100.7 via 192.0.2.2")
    assert talk(guest, outside, "192.0.2.1", patience=1) == ""


def test_it_works_beside_a_closed_forward_chain(
    guest: Namespace, host: Namespace, outside: Namespace, network_subject: NetworkSubject
) -> None:
    host.sh("iptables -P FORWARD DROP")
    assert talk(outside, guest, "10.77.5.10", patience=1) == ""
    for _ in range(2):
        network_subject.driver.prepare(network_subject.host, ROUTED)
        assert host.sh("iptables -S").count("-A FORWARD") == 3
    assert talk(outside, guest, "10.77.5.10") == "192.0.2.1"


def test_release_leaves_the_host_as_it_was(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    before = state(host)
    for _ in range(2):
        network_subject.driver.prepare(network_subject.host, ROUTED)
        assert state(host) != before
        network_subject.driver.release(network_subject.host, ROUTED)
        assert state(host) == before


def test_a_check_says_which_route_others_need(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    (note,) = network_subject.driver.check(network_subject.host, ROUTED)
    assert (note.check, note.level) == ("route", "note")
    assert "ip route add 10.77.5.0/24 via" in note.fix


@pytest.mark.parametrize("change", [{"owned": False}, {"gateway": ""}, {"prefix_length": 31}])
def test_what_cannot_be_routed_is_refused(network_subject: NetworkSubject, change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"gateway|--routed"):
        network_subject.driver.prepare(network_subject.host, msgspec.structs.replace(ROUTED, **change))
    assert network_subject.bridges() == []

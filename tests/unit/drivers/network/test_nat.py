"""NAT networks, with real packets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from nebula.drivers.network import forwarding
from nebula.errors import ConflictError, UsageError
from tests.contract.network import NAT, TAPS, NetworkSubject
from tests.unit.drivers.network.namespaces import Namespace, cable, make


def state(host: Namespace) -> tuple[str, ...]:
    """Everything that a NAT network may change on a host, as text."""
    return (
        host.sh("nft list ruleset"),
        host.sh("iptables -S"),
        host.sh("ip -br address show up0"),
        host.sh("ip route"),
        host.sh("ip -br link show type bridge"),
        host.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/up0/forwarding"),
    )


@pytest.fixture
def guest(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> Iterator[Namespace]:
    """Behind the prepared NAT network, at 10.77.5.10."""
    for namespace in make():
        network_subject.driver.prepare(network_subject.host, NAT)
        plug(host, namespace, 1)
        yield namespace


def plug(host: Namespace, guest: Namespace, number: int) -> None:
    cable(host, TAPS[number - 1], guest, "eth0")
    host.sh(f"ip link set {TAPS[number - 1]} master {NAT.bridge}")
    guest.sh(f"ip address add 10.77.5.{number * 10}/24 dev eth0")
    guest.sh("ip route add default via 10.77.5.1")


def talk(client: Namespace, server: Namespace, address: str, patience: float = 10) -> str:
    process = server.start_echo(address)
    try:
        return client.ask(address, patience)
    finally:
        process.kill()
        process.communicate()


def test_a_guest_reaches_the_outside_as_its_host(guest: Namespace, outside: Namespace) -> None:
    assert talk(guest, outside, "192.0.2.1") == "192.0.2.2"


def test_a_guest_reaches_its_gateway_as_itself(guest: Namespace, host: Namespace) -> None:
    assert talk(guest, host, "10.77.5.1") == "10.77.5.10"


def test_guests_reach_each_other_as_themselves(guest: Namespace, host: Namespace) -> None:
    for other in make():
        plug(host, other, 2)
        assert talk(guest, other, "10.77.5.20") == "10.77.5.10"


def test_nobody_outside_gets_in_uninvited(guest: Namespace, outside: Namespace) -> None:
    outside.sh("ip route add 10.77.5.0/24 via 192.0.2.2")
    assert talk(outside, guest, "10.77.5.10", patience=1) == ""


def test_a_forged_source_does_not_get_out(guest: Namespace, outside: Namespace) -> None:
    guest.sh("ip address add 198.51.100.7/32 dev lo")
    guest.sh("ip route replace default via 10.77.5.1 src 198.51.100.7")
    assert talk(guest, outside, "192.0.2.1", patience=1) == ""


def test_it_works_beside_a_closed_forward_chain(
    guest: Namespace, host: Namespace, outside: Namespace, network_subject: NetworkSubject
) -> None:
    host.sh("iptables -P FORWARD DROP")
    before = host.sh("iptables -S")
    assert talk(guest, outside, "192.0.2.1", patience=1) == ""
    for _ in range(2):
        network_subject.driver.prepare(network_subject.host, NAT)
        assert host.sh("iptables -S").count("-A FORWARD") == 3
    assert talk(guest, outside, "192.0.2.1") == "192.0.2.2"
    host.sh(f"ip link delete {TAPS[0]}")
    network_subject.driver.release(network_subject.host, NAT)
    assert host.sh("iptables -S") == before


def test_release_leaves_the_host_as_it_was(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    before = state(host)
    for _ in range(2):
        network_subject.driver.prepare(network_subject.host, NAT)
        network_subject.driver.prepare(network_subject.host, NAT)
        assert state(host) != before
        network_subject.driver.release(network_subject.host, NAT)
        assert state(host) == before


def test_two_vms_starting_at_once(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    before = state(host)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: network_subject.driver.prepare(network_subject.host, NAT), range(4)))
    network_subject.driver.release(network_subject.host, NAT)
    assert state(host) == before


def test_forwarding_stays_while_another_network_needs_it(
    host: Namespace, outside: Namespace, network_subject: NetworkSubject
) -> None:
    driver, handle = network_subject.driver, network_subject.host
    other = msgspec.structs.replace(NAT, network_id=10, name="other", bridge="onebr10", gateway="10.77.6.1")
    driver.prepare(handle, NAT)
    driver.prepare(handle, other)
    assert forwarding.switched_off(handle, ["up0", "onebr9", "onebr10"]) == []
    driver.release(handle, NAT)
    assert forwarding.switched_off(handle, ["up0", "onebr10"]) == []
    driver.release(handle, other)
    assert forwarding.switched_off(handle, ["up0"]) == ["up0"]


def test_a_host_that_forwards_anyway_goes_on_doing_so(
    host: Namespace, outside: Namespace, network_subject: NetworkSubject
) -> None:
    network_subject.driver.prepare(network_subject.host, NAT)
    network_subject.host.transport.run(["tee", "/proc/sys/net/ipv4/ip_forward"], stdin=b"1\n")
    network_subject.driver.release(network_subject.host, NAT)
    assert forwarding.switched_off(network_subject.host, ["up0"]) == []


@pytest.mark.parametrize("taken", ["ip address add 10.77.0.1/16 dev up0", "ip route add 10.77.5.128/25 via 192.0.2.1"])
def test_a_subnet_that_the_host_knows_already_is_refused(
    host: Namespace, outside: Namespace, network_subject: NetworkSubject, taken: str
) -> None:
    host.sh(taken)
    before = state(host)
    with pytest.raises(ConflictError) as caught:
        network_subject.driver.prepare(network_subject.host, NAT)
    assert "10.64.0.0/24" in caught.value.hint
    assert state(host) == before
    assert [one.level for one in network_subject.driver.check(network_subject.host, NAT)] == ["error"]


def test_another_gateway_replaces_the_old_one(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, NAT)
    network_subject.driver.prepare(network_subject.host, msgspec.structs.replace(NAT, gateway="10.77.8.1"))
    assert host.sh(f"ip -br -4 address show {NAT.bridge}").split()[2:] == ["10.77.8.1/24"]


def test_someone_elses_closed_chain_is_a_finding(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    rules = b"table inet strict {\nchain pass {\ntype filter hook forward priority 0; policy drop;\n}\n}\n"
    network_subject.host.transport.run(["nft", "-f", "-"], stdin=rules)
    findings = network_subject.driver.check(network_subject.host, NAT)
    assert [(one.check, one.level) for one in findings] == [("firewall", "warning")]
    assert "inet strict pass" in findings[0].fix


def test_a_host_without_default_route_is_a_finding(network_subject: NetworkSubject) -> None:
    assert [one.check for one in network_subject.driver.check(network_subject.host, NAT)] == ["uplink"]


@pytest.mark.parametrize("change", [{"owned": False}, {"gateway": ""}, {"gateway": "fd00::1"}, {"prefix_length": 31}])
def test_what_cannot_be_masqueraded_is_refused(network_subject: NetworkSubject, change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        network_subject.driver.prepare(network_subject.host, msgspec.structs.replace(NAT, **change))
    assert network_subject.bridges() == []

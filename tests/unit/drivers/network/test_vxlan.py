"""VXLAN on this machine's kernel: the contract, and guests on two hosts that share a wire. 802.1Q as far as it goes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.network import fdb
from nebula.drivers.network.vlan import VlanNetwork
from nebula.drivers.network.vxlan import VxlanNetwork
from nebula.errors import ConflictError
from nebula.model.firewall import CardFilter, FilterRule
from nebula.model.network import NetworkSpec
from tests.contract.network import *  # noqa: F403
from tests.contract.network import NetworkSubject
from tests.unit.drivers.network.conftest import subject
from tests.unit.drivers.network.guests import Guest, guest
from tests.unit.drivers.network.namespaces import Namespace, cable, handle, make

WIRE = NetworkSpec(
    network_id=7, name="wire", driver="vxlan", bridge="onebr7", owned=True, physical_device="up0", vlan_id=77, mtu=1450
)
PATIENT = 20.0


def uplink(host: Namespace, number: int) -> None:
    """It has the address 192.0.2.NUMBER on a network that carries multicast."""
    host.sh(f"ip address add 192.0.2.{number}/24 dev up0")


@pytest.fixture
def network_subject(host: Namespace, tmp_path: Path) -> NetworkSubject:
    host.sh("ip link add up0 type veth peer name far0")
    host.sh("ip link set up0 up")
    uplink(host, 1)
    return msgspec.structs.replace(subject(host, tmp_path), driver=VxlanNetwork(), owned=WIRE)


def test_guests_on_two_hosts_share_a_wire(tmp_path: Path) -> None:
    """As wide as it says, and filtered as anywhere."""
    driver = VxlanNetwork()
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(contextlib.contextmanager(make)()) for _ in range(2))
        cable(one, "up0", two, "up0")
        guests: list[Guest] = []
        for number, host in ((1, one), (2, two)):
            uplink(host, number)
            driver.prepare(handle(host, tmp_path), WIRE)
            guests.append(stack.enter_context(contextlib.contextmanager(guest)(host, WIRE, number)))
        first, second = guests
        for each in guests:
            each.inside.sh("ip link set eth0 mtu 1450")
        with second.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(second, 53, patience=PATIENT, size=1422) == 1
            assert first.asks(second, 53, size=1423) == 0
            closed = CardFilter(rules=(FilterRule(inbound=False),))
            driver.set_filters(handle(two, tmp_path), [second.with_filter(closed)])
            assert first.asks(second, 53) == 0
        driver.set_filters(handle(two, tmp_path), [second.nic])


def test_hosts_without_multicast_are_told_of_each_other(tmp_path: Path) -> None:
    """Who is not told of is not reached, be it by a broadcast; and who leaves is forgotten."""
    driver, wire = VxlanNetwork(), msgspec.structs.replace(WIRE, vxlan_mode="static")
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(contextlib.contextmanager(make)()) for _ in range(3)]
        middle = stack.enter_context(contextlib.contextmanager(make)())
        middle.sh("ip link add sw type bridge")
        middle.sh("ip link set sw up")
        guests: list[Guest] = []
        for number, host in enumerate(hosts, 1):
            cable(host, "up0", middle, f"p{number}")
            middle.sh(f"ip link set p{number} master sw")
            uplink(host, number)
            driver.prepare(handle(host, tmp_path), wire)
            guests.append(stack.enter_context(contextlib.contextmanager(guest)(host, wire, number)))

        def tell(*numbers: int) -> None:
            for number in numbers:
                peers = [f"192.0.2.{other}" for other in numbers if other != number]
                driver.tunnel_to(handle(hosts[number - 1], tmp_path), wire, peers)

        first, second, third = guests
        with second.serving(53), third.serving(53):
            assert first.asks(second, 53) == 0
            tell(1, 2)
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(third, 53) == 0
            tell(1, 2, 3)
            assert first.asks(third, 53, times=3, patience=5.0) >= 1
            # The second moves to the third host, and says so as QEMU does after a migration.
            second.inside.sh("ip link set eth0 down")
            for moved in guest(hosts[2], wire, 2):
                mac = bytes.fromhex(moved.nic.mac.replace(":", ""))
                moved.sends(b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003") + mac + bytes(4) + mac + bytes(4))
                with moved.serving(53):
                    assert first.asks(moved, 53, patience=PATIENT) == 1
            tell(1, 3)
            driver.tunnel_to(handle(hosts[1], tmp_path), wire, [])
            assert fdb.flooded(handle(hosts[0], tmp_path), "vx77") == ["192.0.2.3"]
            assert fdb.flooded(handle(hosts[1], tmp_path), "vx77") == []
        driver.tunnel_to(handle(hosts[0], tmp_path), msgspec.structs.replace(wire, vlan_id=78), ["192.0.2.2"])


def test_a_device_for_evpn_learns_nothing_and_begins_at_the_uplinks_address(
    host: Namespace, network_subject: NetworkSubject
) -> None:
    wire = msgspec.structs.replace(WIRE, vxlan_mode="evpn")
    network_subject.driver.prepare(network_subject.host, wire)
    shown = host.sh("ip -d link show vx77")
    assert "local 192.0.2.1" in shown
    assert "nolearning" in shown
    network_subject.driver.release(network_subject.host, wire)
    host.sh("ip address flush dev up0")
    with pytest.raises(ConflictError, match="no IPv4 address") as caught:
        network_subject.driver.prepare(network_subject.host, wire)
    assert caught.value.hint
    assert network_subject.bridges() == []


def test_an_uplink_that_is_too_narrow_or_missing_is_refused(host: Namespace, network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    for network, word in ((msgspec.structs.replace(WIRE, mtu=1500), "1550"), (with_uplink("up9"), "up9")):
        with pytest.raises(ConflictError) as caught:
            driver.prepare(on, network)
        assert word in f"{caught.value} {caught.value.cause}"
        assert caught.value.hint
        assert [finding.check for finding in driver.check(on, network)] == ["uplink"]
    assert network_subject.bridges() == []


def test_somebody_elses_device_is_left(host: Namespace, network_subject: NetworkSubject) -> None:
    host.sh("ip link add vx77 type bridge")
    with pytest.raises(ConflictError):
        network_subject.driver.prepare(network_subject.host, WIRE)
    network_subject.driver.release(network_subject.host, WIRE)
    assert "vx77" in host.sh("ip -br link")


def test_nothing_of_it_stays(host: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, WIRE)
    assert "vx77" in host.sh("ip -br link")
    network_subject.driver.release(network_subject.host, WIRE)
    assert [word for word in host.sh("ip -br link").split() if word.startswith(("vx77", "onebr7", "nb"))] == []


def test_each_number_has_a_group_of_its_own() -> None:
    driver = VxlanNetwork()
    assert "group 239.0.1.4 dev up0 " in driver.options(msgspec.structs.replace(WIRE, vlan_id=260))
    assert driver.lines(WIRE)[1] == (
        "link add name nbseg7 type vxlan id 77 group 239.0.0.77 dev up0 dstport 4789 ttl 16"
    )  # fmt: skip


def with_uplink(name: str) -> NetworkSpec:
    return msgspec.structs.replace(WIRE, physical_device=name)


# --- 802.1Q


def test_a_vlan_is_a_tagged_device_on_its_uplink() -> None:
    assert VlanNetwork().lines(WIRE) == [
        "link delete dev nbseg7",
        "link add name nbseg7 link up0 type vlan id 77",
        "link set dev nbseg7 alias nebula:network:7",
        "link set dev nbseg7 addrgenmode none",
        "link set dev nbseg7 name up0.77",
        "link delete dev nbseg7",
    ]


def test_a_kernel_without_vlans_is_told_of(host: Namespace, network_subject: NetworkSubject) -> None:
    """Whatever this machine's kernel knows: a namespace without /proc/net/vlan has no module to load."""
    if "vlan" in host.sh("ls /proc/net").split():
        VlanNetwork().prepare(network_subject.host, msgspec.structs.replace(WIRE, mtu=1500))
        assert "up0.77" in host.sh("ip -br link")
        return
    with pytest.raises(ConflictError, match="VLAN") as caught:
        VlanNetwork().prepare(network_subject.host, WIRE)
    assert "8021q" in caught.value.hint
    assert [finding.check for finding in VlanNetwork().check(network_subject.host, WIRE)] == ["kernel"]
    assert network_subject.bridges() == []

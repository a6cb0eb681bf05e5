"""VLANs of Open vSwitch within a VXLAN: the contract, and guests on two hosts whose wire is a tunnel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.network.ovswitch_vxlan import OvsVxlanNetwork
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec
from tests.contract.network import *  # noqa: F403
from tests.contract.network import NetworkSubject
from tests.unit.drivers.network.guests import Guest
from tests.unit.drivers.network.namespaces import Namespace, cable, handle
from tests.unit.drivers.network.openvswitch import clear, guest, switch, switch_subject

WIRE = NetworkSpec(
    network_id=7, name="wire", driver="ovswitch_vxlan", bridge="onebr7", owned=True, physical_device="up0", outer_id=77,
    vlan_id=5, mtu=1446,
)  # fmt: skip


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    yield from switch(tmp_path_factory.mktemp("ovs") / "one")


@pytest.fixture
def ovs(daemons: Namespace) -> Iterator[Namespace]:
    """A host with Open vSwitch and an uplink."""
    daemons.sh("ip link add up0 type veth peer name far0")
    daemons.sh("ip link set up0 up")
    daemons.sh("ip address add 192.0.2.1/24 dev up0")
    yield daemons
    clear(daemons)


@pytest.fixture
def network_subject(ovs: Namespace, tmp_path: Path) -> NetworkSubject:
    return switch_subject(ovs, tmp_path, OvsVxlanNetwork(), WIRE)


def test_guests_on_two_hosts_share_a_tunnelled_vlan(tmp_path: Path) -> None:
    """As wide as it says, with the VLAN's tag inside."""
    driver = OvsVxlanNetwork()
    with contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(contextlib.contextmanager(switch)(tmp_path / name)) for name in ("one", "two"))
        cable(here, "up0", there, "up0")
        guests: list[Guest] = []
        other = msgspec.structs.replace(WIRE, vlan_id=6)
        for number, (host, network) in enumerate(((here, WIRE), (there, WIRE), (there, other)), 1):
            if number < 3:
                host.sh(f"ip address add 192.0.2.{number}/24 dev up0")
            driver.prepare(handle(host, tmp_path), network)
            made = stack.enter_context(contextlib.contextmanager(guest)(host, network, number))
            guests.append(made)
            driver.plugged(handle(host, tmp_path), made.nic)
        first, second, apart = guests
        for each in guests:
            each.inside.sh("ip link set eth0 mtu 1446")
        with second.serving(53), apart.serving(53):
            assert first.asks(second, 53, times=3, patience=5.0) >= 1
            assert first.asks(second, 53, patience=5.0, size=1418) == 1
            assert first.asks(apart, 53) == 0


def test_an_uplink_without_room_for_the_tag_is_refused(network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    with pytest.raises(ConflictError) as caught:
        driver.prepare(on, msgspec.structs.replace(WIRE, mtu=1450))
    assert "1504" in f"{caught.value.cause}"
    assert network_subject.bridges() == []
    driver.prepare(on, msgspec.structs.replace(WIRE, mtu=1450, vlan_id=0))


def test_nothing_of_it_stays_even_if_its_bridge_went_first(ovs: Namespace, network_subject: NetworkSubject) -> None:
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, WIRE)
    assert "vx77" in ovs.sh("ip -br link")
    ovs.sh("ovs-vsctl del-br onebr7")
    driver.release(on, WIRE)
    assert [word for word in ovs.sh("ip -br link").split() if word.startswith(("vx77", "onebr7", "nb"))] == []

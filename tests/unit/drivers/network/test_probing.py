"""Probes on real bridges, VLANs and tunnels: what they hear, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.base import Answer, HostHandle, Network
from nebula.drivers.network.bridge import BridgeNetwork
from nebula.drivers.network.ovswitch import OvsNetwork
from nebula.drivers.network.vxlan import VxlanNetwork
from nebula.engine.api.values import Finding
from nebula.engine.reach.asking import Place, ask
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec
from tests.unit.drivers.network.namespaces import Namespace, cable, handle, make
from tests.unit.drivers.network.openvswitch import switch

OFFICE = NetworkSpec(network_id=8, name="office", driver="bridge", bridge="br0")
WIRE = NetworkSpec(
    network_id=7, name="wire", driver="vxlan", bridge="onebr7", owned=True, physical_device="up0", vlan_id=77, mtu=1450
)
LAN = NetworkSpec(network_id=9, name="lan", driver="bridge", bridge="onebr9", owned=True, physical_device="up0")


class Site(msgspec.Struct, frozen=True):
    """Hosts whose devices `up0` lead to one switch, as its ports `p1`, `p2` …"""

    switch: Namespace
    hosts: tuple[Namespace, ...]
    root: Path

    def handle(self, number: int) -> HostHandle:
        return msgspec.structs.replace(handle(self.hosts[number], self.root), name=f"h{number + 1}")

    def ask(self, driver: Network, network: NetworkSpec) -> list[Finding]:
        """What probes on all of them find; nothing stays."""
        places = [
            Place(host=self.handle(number), end=f"192.0.2.{number + 1}", peers=self._peers(number))
            for number in range(len(self.hosts))
        ]
        tunnel = network.driver == "vxlan"
        found = ask(driver, network, places if tunnel else [msgspec.structs.replace(one, end="") for one in places])
        for host in self.hosts:
            assert_nothing_stays(host)
        return found

    def _peers(self, number: int) -> tuple[str, ...]:
        return tuple(f"192.0.2.{other + 1}" for other in range(len(self.hosts)) if other != number)


def assert_nothing_stays(host: Namespace) -> None:
    """The kernel takes a namespace away a moment after its last process."""
    soon(lambda: "nbp" not in host.sh("ip -br link"))


def soon(met: Callable[[], bool]) -> None:
    """It becomes so."""
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def site(count: int, root: Path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        middle, *hosts = (stack.enter_context(contextlib.contextmanager(make)()) for _ in range(count + 1))
        connect(middle, hosts)
        yield Site(middle, tuple(hosts), root)


def connect(middle: Namespace, hosts: list[Namespace]) -> None:
    """A cable from each to a switch; the hosts are 192.0.2.1, 192.0.2.2 … there."""
    middle.sh("ip link add sw type bridge")
    middle.sh("ip link set sw up")
    for number, host in enumerate(hosts, 1):
        cable(host, "up0", middle, f"p{number}")
        middle.sh(f"ip link set p{number} master sw")
        host.sh(f"ip address add 192.0.2.{number}/24 dev up0")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Site]:
    yield from site(2, tmp_path)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Site]:
    yield from site(3, tmp_path)


def on_bridges(hosts: tuple[Namespace, ...]) -> None:
    """Each has a bridge br0 of its own through up0."""
    for host in hosts:
        host.sh("ip address flush dev up0")
        host.sh("ip link add br0 type bridge")
        host.sh("ip link set up0 master br0")
        host.sh("ip link set br0 up")


def levels(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.where, one.check, one.level) for one in found]


def test_hosts_whose_bridges_are_joined_reach_each_other(two: Site) -> None:
    on_bridges(two.hosts)
    before = [host.sh("ip -o link show dev br0") for host in two.hosts]
    found = two.ask(BridgeNetwork(), OFFICE)
    assert levels(found) == [("h1", "reach", "ok"), ("h2", "reach", "ok")]
    assert "1500 bytes" in found[0].text
    assert [host.sh("ip -o link show dev br0") for host in two.hosts] == before


def test_a_narrow_uplink_is_named_by_what_passes(three: Site) -> None:
    """The host whose uplink it is among three; both of two."""
    on_bridges(three.hosts)
    three.switch.sh("ip link set p2 mtu 1400")
    found = three.ask(BridgeNetwork(), msgspec.structs.replace(OFFICE, mtu=1500))
    assert levels(found) == [("h1", "reach", "ok"), ("h2", "mtu", "error"), ("h3", "reach", "ok")]
    assert "h1, h3: up to 1404 do" in found[1].text, "Linux leaves room for a tag"
    assert "mtu 1500" in found[1].fix
    fewer = Site(three.switch, three.hosts[:2], three.root)
    assert levels(fewer.ask(BridgeNetwork(), OFFICE)) == [("h1", "mtu", "error"), ("h2", "mtu", "error")]


def test_a_host_that_is_cut_off_is_named(three: Site) -> None:
    on_bridges(three.hosts)
    three.switch.sh("ip link set p3 nomaster")
    found = three.ask(BridgeNetwork(), OFFICE)
    assert levels(found) == [("h1", "reach", "ok"), ("h2", "reach", "ok"), ("h3", "reach", "error")]
    assert "does not lead to h1, h2" in found[2].text
    assert found[2].fix


def test_of_two_hosts_the_gateway_tells_which_is_cut_off(two: Site) -> None:
    on_bridges(two.hosts)
    two.switch.sh("ip address add 10.9.0.1/24 dev sw")
    network = msgspec.structs.replace(OFFICE, gateway="10.9.0.1")
    assert levels(two.ask(BridgeNetwork(), network)) == [("h1", "reach", "ok"), ("h2", "reach", "ok")]
    two.switch.sh("ip link set p2 down")
    assert [(one.where, one.level) for one in two.ask(BridgeNetwork(), network)] == [("h2", "error")]


@pytest.mark.parametrize("mode", ["", "static"])
def test_a_tunnel_is_tried_before_its_bridges_are_there(two: Site, mode: str) -> None:
    """And when they are there on one host alone."""
    driver, wire = VxlanNetwork(), msgspec.structs.replace(WIRE, vxlan_mode=mode)
    assert [one.level for one in two.ask(driver, wire)] == ["ok", "ok"]
    driver.prepare(two.handle(0), wire)
    driver.tunnel_to(two.handle(0), wire, ["192.0.2.2"])
    assert [one.level for one in two.ask(driver, wire)] == ["ok", "ok"]
    driver.release(two.handle(0), wire)
    assert [word for host in two.hosts for word in host.sh("ip -br link").split() if word.startswith(("vx", "onebr"))] == []


def test_what_shuts_a_tunnel_is_told_apart(two: Site) -> None:
    two.hosts[1].transport.run(
        ["nft", "-f", "-"],
        stdin=b"table inet filter { chain input { type filter hook input priority 0; udp dport 4789 drop; }; }",
    )
    found = two.ask(VxlanNetwork(), WIRE)
    assert [(one.where, one.level) for one in found] == [("h1", "error"), ("h2", "error")]
    assert all("UDP port 4789" in one.text and "udp dport 4789 accept" in one.fix for one in found)
    two.switch.sh("ip link set p2 nomaster")
    found = two.ask(VxlanNetwork(), WIRE)
    assert "the hosts themselves do not reach each other through up0" in found[0].text
    assert found[0].fix == "ssh h1 ip route get 192.0.2.2"


def test_a_port_of_a_bridge_to_come_is_tried(two: Site) -> None:
    for host in two.hosts:
        host.sh("ip address flush dev up0")
    assert [one.level for one in two.ask(BridgeNetwork(), LAN)] == ["ok", "ok"]


def test_a_device_that_the_host_needs_is_not_tried(two: Site) -> None:
    found = two.ask(BridgeNetwork(), LAN)
    assert levels(found) == [("h1", "reach", "note"), ("h2", "reach", "note")]
    assert all(one.fix for one in found)


@pytest.mark.parametrize("end", ["the probe's own", "the host's"])
def test_a_probe_that_is_killed_leaves_nothing(two: Site, end: str) -> None:
    on_bridges(two.hosts)
    host = two.hosts[0]
    with BridgeNetwork().probe(two.handle(0), OFFICE, "169.254.7.1") as probe:
        assert probe.name in host.sh("ip -br link")
        inside = int(probe._pid)
        if end == "the probe's own":
            os.kill(inside, signal.SIGKILL)
            assert_nothing_stays(host)
        else:
            host.sh(f"ip link delete {probe.name}")
            assert probe.ask(["169.254.7.2"]) == [Answer(address="169.254.7.2", found=False)]
    assert_nothing_stays(host)
    soon(lambda: not Path(f"/proc/{inside}").exists())


def test_a_release_meanwhile_takes_the_bridge_all_the_same(two: Site) -> None:
    driver, wire = VxlanNetwork(), WIRE
    driver.prepare(two.handle(0), wire)
    with driver.probe(two.handle(0), wire, "169.254.7.1"):
        driver.release(two.handle(0), wire)
        assert "onebr7" not in two.hosts[0].sh("ip -br link")
    assert_nothing_stays(two.hosts[0])


# --- Open vSwitch


@pytest.fixture
def switched(tmp_path: Path) -> Iterator[Site]:
    """Three hosts with Open vSwitch, each with a bridge br0 through up0."""
    with contextlib.ExitStack() as stack:
        names = ("one", "two", "three")
        hosts = [stack.enter_context(contextlib.contextmanager(switch)(tmp_path / name)) for name in names]
        middle = stack.enter_context(contextlib.contextmanager(make)())
        connect(middle, hosts)
        for host in hosts:
            host.sh("ip address flush dev up0")
            host.sh("ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev -- add-port br0 up0")
        yield Site(middle, tuple(hosts), tmp_path)


def test_a_vlan_that_one_hosts_uplink_lacks_is_named(switched: Site) -> None:
    """Be it that Open vSwitch of the host, or the switch's port there, does not let it through."""
    driver = OvsNetwork()
    office = NetworkSpec(network_id=8, name="office", driver="ovswitch", bridge="br0", vlan_id=100)
    assert [one.level for one in switched.ask(driver, office)] == ["ok"] * 3
    switched.hosts[1].sh("ovs-vsctl set Port up0 trunks=[1,200]")
    (error,) = driver.check(switched.handle(1), office)
    assert (error.check, error.level) == ("vlan", "error")
    assert "VLAN 100" in error.text
    assert error.fix == "ovs-vsctl add Port up0 trunks 100"
    switched.hosts[1].sh("ovs-vsctl clear Port up0 trunks")
    rules = b"table netdev t { chain c { type filter hook ingress device p3 priority 0; vlan id 100 drop; }; }"
    switched.switch.transport.run(["nft", "-f", "-"], stdin=rules)
    found = switched.ask(driver, office)
    assert levels(found) == [("h1", "reach", "ok"), ("h2", "reach", "ok"), ("h3", "reach", "error")]
    assert "VLAN 100 is missing" in found[2].text
    assert "vid 100" in found[2].fix
    assert [switched.hosts[0].sh("ovs-vsctl list-ports br0")] == ["up0\n"]


def test_what_a_probe_left_in_a_database_is_forgotten(switched: Site) -> None:
    driver, host = OvsNetwork(), switched.hosts[0]
    office = NetworkSpec(network_id=8, name="office", driver="ovswitch", bridge="br0")
    host.transport.run(["ovs-vsctl", "add-port", "br0", "nbp00000000"], check=False)
    with driver.probe(switched.handle(0), office, "169.254.7.1"):
        assert "nbp00000000" not in host.sh("ovs-vsctl list-ports br0")
    assert host.sh("ovs-vsctl list-ports br0") == "up0\n"


def test_a_bridge_that_is_not_there_is_no_place(switched: Site) -> None:
    bare = NetworkSpec(network_id=8, name="office", driver="ovswitch", bridge="br7", owned=True)
    with pytest.raises(ConflictError), OvsNetwork().probe(switched.handle(0), bare, "169.254.7.1"):
        pass

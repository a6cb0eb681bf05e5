"""VLANs and security groups of Open vSwitch between real guests on two hosts, its bridges in user space where this kernel has
no others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import assert_left_nothing
from tests.lab.handle import LabHandle, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NETWORKS = {"red": 100, "blue": 200}
PROBE = "10.79.0.1"


@pytest.fixture(scope="module")
def switched(session_lab: LabHandle) -> Iterator[LabHandle]:
    """Both hosts have Open vSwitch, and an eth2 to each other."""
    session_lab.run("openvswitch", "up")
    yield session_lab
    session_lab.run("openvswitch", "down")


class Probe:
    """A port of a host's bridge that is in one VLAN at a time, and asks guests for their page from there."""

    def __init__(self, lab: LabHandle, host: str, bridge: str, vlan: int) -> None:
        self._lab, self._host = lab, host
        self._do("ovs-vsctl", "add-port", bridge, "probe", f"tag={vlan}", "--", "set", "Interface", "probe", "type=internal")
        self._do("ip", "address", "add", f"{PROBE}/24", "dev", "probe")
        self._do("ip", "link", "set", "probe", "up")

    def into(self, vlan: int) -> None:
        self._do("ovs-vsctl", "set", "Port", "probe", f"tag={vlan}")
        self._do("ip", "neighbour", "flush", "dev", "probe")

    def page(self, address: str, seconds: int = 3) -> dict[str, str]:
        """What a guest says of itself; empty if it does not answer."""
        lines = [line.partition(": ") for line in self._fetch(f"{address}/", seconds).splitlines()]
        return {key: value for key, _, value in lines}

    def reached(self, address: str, what: str) -> bool:
        """Whether a guest gets an answer from the probe: "icmp", or "forged,ADDRESS" from an address that is not its own."""
        kind, _, rest = what.partition(",")
        query = f"forged,{rest},{PROBE}" if rest else f"{kind},{PROBE}"
        said = self._fetch(f"{address}/cgi-bin/reach?{query}", 20).strip()
        assert said in {"yes", "no"}, "the guest itself does not answer"
        return said == "yes"

    @contextmanager
    def asking_all_the_time(self, address: str) -> Iterator[None]:
        """Never is it shut out meanwhile."""
        done, missed = threading.Event(), list[str]()

        def ask() -> None:
            while not done.wait(0.1):
                if not self.page(address, seconds=10):
                    missed.append("no answer")

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield
        finally:
            done.set()
            asking.join()
        assert not missed

    def _fetch(self, where: str, seconds: int) -> str:
        return self._do("sh", "-c", f"timeout {seconds} busybox wget -q -O - 'http://{where}' || true")

    def remove(self) -> None:
        self._do("ovs-vsctl", "del-port", "probe")

    def _do(self, *argv: str) -> str:
        return self._lab.exec(self._host, *argv)


def test_a_vlan_reaches_its_guests_and_no_others_through_a_live_migration(cluster: Program, switched: LabHandle) -> None:
    for number, (name, vlan) in enumerate(NETWORKS.items(), 1):
        options = ("--driver", "ovswitch", "--physical-device", "eth2", "--vlan-id", str(vlan))
        cluster.out("network", "create", name, *options, "--range", f"10.79.0.{10 * number}+5", "--prefix", "24")
    assert "error" not in cluster.out("network", "check", "red")
    cluster.out("securitygroup", "create", "pages", "--inbound", f"tcp:80@{PROBE}")
    cluster.out("network", "update", "red", "--security-group", "pages")
    bridge = cluster.json("network", "show", "blue", "-f", "json")["bridge"]
    for name in NETWORKS:
        vm = ("vm", "create", name, "--image", "own", "--memory", "128M", "--network", name, "--host", "h1")
        cluster.out(*vm)
    red, blue = (str(cluster.vm(name)["addresses"][0]) for name in NETWORKS)
    tap = f"one-{cluster.vm('red')['id']}-0"
    probe = Probe(switched, "h1", bridge, NETWORKS["red"])
    eventually(lambda: "boot-id" in probe.page(red), "the page of the guest in the probe's VLAN", seconds=150)
    before = probe.page(red)
    assert probe.page(blue) == {}
    assert_rules_hold(probe, red, shut=8080)
    with probe.asking_all_the_time(red):
        cluster.out("securitygroup", "update", "pages", "--inbound", f"tcp:8080@{PROBE}")
    eventually(lambda: "boot-id" in probe.page(f"{red}:8080"), "the page at the port that a rule opened")
    probe.into(NETWORKS["blue"])
    eventually(lambda: "boot-id" in probe.page(blue), "the page of the other guest, in its own VLAN")
    assert probe.page(red) == {}

    cluster.out("vm", "migrate", "red", "--host", "h2", "--live")
    assert switched.exec("h2", "ovs-vsctl", "get", "Port", f"{tap}p", "tag").strip() == "100"
    assert tap not in switched.exec("h1", "ovs-vsctl", "show")
    assert probe.page(red) == {}
    probe.into(NETWORKS["red"])
    eventually(lambda: "boot-id" in probe.page(red), "the page of the guest that moved")
    assert probe.page(red)["boot-id"] == before["boot-id"], "it was started anew"
    assert probe.page(blue) == {}
    cluster.out("securitygroup", "update", "pages", "--without", f"{rule_of(cluster, '8080')}")
    assert_rules_hold(probe, red, shut=8080)
    switched.exec("h2", "ovs-ofctl", "del-flows", f"{tap}b")
    assert probe.page(red) == {}, "without its flows nothing passes"
    assert "lack the filters" in cluster.run("host", "check", "h2").stdout
    cluster.out("securitygroup", "commit", "pages")
    assert_rules_hold(probe, red, shut=8080)

    attach_and_detach(cluster, switched, bridge)
    probe.remove()
    ids = [cluster.vm(name)["id"] for name in NETWORKS]
    cluster.out("vm", "terminate", *NETWORKS, "--hard")
    for number in ids:
        assert_left_nothing(switched, number)
    assert [switched.exec(host, "ovs-vsctl", "list-br") for host in ("h1", "h2")] == ["", ""]

    nobodys = f"one-{ids[0]}-9"
    switched.exec("h1", "ovs-vsctl", "add-br", "br7", "--", "set", "Bridge", "br7", "datapath_type=netdev")
    switched.exec("h1", "sh", "-c", f"ovs-vsctl add-port br7 {nobodys} 2>/dev/null; true")
    assert nobodys in cluster.run("host", "check", "h1").stdout
    cluster.out("network", "remove", *NETWORKS, "trunk")
    cluster.out("securitygroup", "remove", "pages")


def assert_rules_hold(probe: Probe, guest: str, shut: int) -> None:
    """The guest's page is there at port 80 alone; it reaches others, but not from an address that is not its own."""
    eventually(lambda: "boot-id" in probe.page(guest), "the page that a rule lets in")
    assert probe.page(f"{guest}:{shut}") == {}
    eventually(lambda: probe.reached(guest, "icmp"), "the guest's own ping")
    assert not probe.reached(guest, "forged,10.79.0.99")


def rule_of(cluster: Program, port: str) -> int:
    """The number of the rule of group pages that names the port."""
    rules = cluster.json("securitygroup", "show", "pages", "-f", "json")["rules"]
    return next(number for number, rule in enumerate(rules) if rule.get("RANGE") == port)


def attach_and_detach(cluster: Program, lab: LabHandle, bridge: str) -> None:
    """A running guest gets a card that carries several VLANs, and loses it again."""
    options = ("--driver", "ovswitch", "--physical-device", "eth2", "--vlan-id", "100", "--vlan-tagged-id", "200-202,7")
    cluster.out("network", "create", "trunk", *options, "--range", "5")
    cluster.out("vm", "nic-attach", "blue", "trunk")
    tap = f"one-{cluster.vm('blue')['id']}-1"
    words = lab.exec("h1", "ovs-vsctl", "get", "Port", f"{tap}p", "tag", "trunks", "vlan_mode").split("\n")
    assert words[:3] == ["100", "[7, 200, 201, 202]", "native-untagged"]
    assert f"{tap}p" in lab.exec("h1", "ovs-vsctl", "list-ports", bridge).split()
    cluster.out("vm", "nic-update", "blue", "1", "--set", "INBOUND_AVG_BW=1000")
    assert "[]" not in lab.exec("h1", "ovs-vsctl", "get", "Port", tap, "qos")
    cluster.out("vm", "nic-detach", "blue", "1")
    assert tap not in lab.exec("h1", "ovs-vsctl", "show")

"""DHCP and DNS on networks of ours, by dnsmasq, for guests that ask with busybox."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.network.vxlan import VxlanNetwork
from nebula.errors import ConflictError, UsageError
from nebula.model.network import Lease, NetworkSpec
from tests.contract.network import NAT, TAPS, NetworkSubject
from tests.lab.handle import eventually
from tests.unit.drivers.network.conftest import make_root
from tests.unit.drivers.network.namespaces import Namespace, cable, handle, make

LAN = msgspec.structs.replace(NAT, name="Büro 1", dhcp=NAT.gateway, dns=("192.0.2.1",))
WEB = Lease(mac="02:00:0a:4d:05:0a", ip="10.77.5.10", name="web")
STORE = Lease(mac="02:00:0a:4d:05:14", ip="10.77.5.20", ip6="fd00::20", name="store")
TELL = '#!/bin/sh\n[ "$1" != bound ] || echo "$ip/$mask $router $dns $domain $hostname"\n'


@pytest.fixture
def guest(host: Namespace, network_subject: NetworkSubject) -> Iterator[Namespace]:
    """A guest without an address on the network, whose card is WEB's."""
    network_subject.driver.prepare(network_subject.host, LAN)
    for namespace in make():
        plug(host, namespace, LAN)
        yield namespace


def plug(host: Namespace, guest: Namespace, network: NetworkSpec) -> None:
    cable(host, TAPS[0], guest, "eth0")
    host.sh(f"ip link set {TAPS[0]} master {network.bridge}")
    guest.sh(f"ip link set eth0 address {WEB.mac}")


def asks(guest: Namespace, root: Path) -> str:
    """What a DHCP client is given; "" for nothing."""
    script = root / "tell"
    script.write_text(TELL)
    script.chmod(0o755)
    argv = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "4", "-T", "1", "-s", str(script)]
    return guest.transport.run(argv, check=False).text.strip()


def finds(guest: Namespace, name: str, server: str = LAN.gateway) -> list[str]:
    """The addresses of a name, as the host says."""
    done = guest.transport.run(["timeout", "20", "busybox", "nslookup", name, server], check=False).text
    return [line.split()[-1] for line in done.splitlines()[2:] if line.startswith("Address")]


def test_a_guest_gets_its_own_address_and_finds_others_by_name(
    guest: Namespace, network_subject: NetworkSubject, root: Path
) -> None:
    driver, host = network_subject.driver, network_subject.host
    driver.serve(host, LAN, [STORE])
    assert asks(guest, root) == "", "it has no lease of ours"
    driver.serve(host, LAN, [WEB, STORE])
    assert asks(guest, root) == "10.77.5.10/24 10.77.5.1 10.77.5.1 b-ro-1.internal web"
    guest.sh("ip address add 10.77.5.10/24 dev eth0")
    assert finds(guest, "store.b-ro-1.internal") == ["10.77.5.20", "fd00::20"]
    assert finds(guest, "web") == ["10.77.5.10"]
    driver.serve(host, LAN, [WEB])
    assert finds(guest, "store.b-ro-1.internal") == []


def test_other_names_are_asked_for_upstream(
    guest: Namespace, outside: Namespace, host: Namespace, network_subject: NetworkSubject, root: Path
) -> None:
    (root / "upstream").write_text("port=53\nno-hosts\nno-resolv\naddress=/example.org/198.51.100.7\n")
    outside.sh(f"dnsmasq --conf-file={root}/upstream --pid-file={root}/upstream.pid --user=root --listen-address=192.0.2.1")
    try:
        network_subject.driver.serve(network_subject.host, LAN, [WEB])
        guest.sh("ip address add 10.77.5.10/24 dev eth0")
        assert finds(guest, "example.org") == ["198.51.100.7"]
    finally:
        host.sh(f"kill {(root / 'upstream.pid').read_text().strip()}")


def test_one_that_was_killed_is_put_back_and_it_outlives_its_bridge(
    guest: Namespace, host: Namespace, network_subject: NetworkSubject, root: Path
) -> None:
    driver, subject = network_subject.driver, network_subject.host
    driver.serve(subject, LAN, [WEB])
    host.sh(f"kill -9 {(root / 'network' / '9' / 'pid').read_text().strip()}")
    assert driver.serving(subject) == []
    driver.serve(subject, LAN, [WEB])
    assert driver.serving(subject) == [9]
    host.sh(f"ip link delete {LAN.bridge}")
    driver.prepare(subject, LAN)
    driver.serve(subject, LAN, [WEB])
    host.sh(f"ip link set {TAPS[0]} master {LAN.bridge}")
    assert asks(guest, root).startswith("10.77.5.10/24")


def test_nothing_is_left(host: Namespace, outside: Namespace, network_subject: NetworkSubject, root: Path) -> None:
    before = host.sh("nft list ruleset")
    for network in (LAN, _alone()):
        network_subject.driver.prepare(network_subject.host, network)
        network_subject.driver.serve(network_subject.host, network, [WEB, STORE])
        network_subject.driver.release(network_subject.host, network)
        assert (host.sh("nft list ruleset"), network_subject.bridges(), (root / "network").exists()) == (before, [], False)
    assert host.sh("ip -4 -br address show up0").split()[2:] == ["192.0.2.2/24"]


def _alone() -> NetworkSpec:
    """Without NAT: the host has an address on the wire for this alone."""
    return msgspec.structs.replace(LAN, network_id=7, bridge="onebr7", nat=False, gateway="", dhcp="10.77.6.1")


def test_a_wire_without_gateway_has_none_for_its_guests(host: Namespace, network_subject: NetworkSubject, root: Path) -> None:
    network_subject.driver.prepare(network_subject.host, _alone())
    network_subject.driver.serve(network_subject.host, _alone(), [msgspec.structs.replace(WEB, ip="10.77.6.10")])
    for guest in make():
        plug(host, guest, _alone())
        assert asks(guest, root).split() == ["10.77.6.10/24", "10.77.6.1", "b-ro-1.internal", "web"]
    network_subject.driver.release(network_subject.host, _alone())


@pytest.mark.parametrize("change", [{"owned": False, "nat": False}, {"dhcp": "here"}, {"prefix_length": 31, "nat": False}])
def test_what_cannot_be_served_is_refused(network_subject: NetworkSubject, change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        network_subject.driver.prepare(network_subject.host, msgspec.structs.replace(LAN, **change))
    assert network_subject.bridges() == []


def test_a_subnet_that_the_host_is_in_is_refused(host: Namespace, outside: Namespace, network_subject: NetworkSubject) -> None:
    host.sh("ip address add 10.77.0.1/16 dev up0")
    with pytest.raises(ConflictError):
        network_subject.driver.prepare(network_subject.host, _alone())
    assert [one.check for one in network_subject.driver.check(network_subject.host, _alone())] == ["dhcp"]
    assert network_subject.bridges() == []


def test_names_and_macs_that_are_none_are_left_out(network_subject: NetworkSubject, root: Path) -> None:
    odd = [Lease(mac="x\ndhcp-script=/bin/sh", ip="10.77.5.11", name="a"), Lease(mac=WEB.mac, ip="10.77.5.12", name="b c\n")]
    network_subject.driver.prepare(network_subject.host, LAN)
    network_subject.driver.serve(network_subject.host, LAN, odd)
    assert (root / "network" / "9" / "leases").read_text() == f"{WEB.mac},10.77.5.12\n"
    assert (root / "network" / "9" / "names").read_text() == "10.77.5.11 a.b-ro-1.internal a\n"
    network_subject.driver.release(network_subject.host, LAN)


def test_a_guest_that_moves_to_another_host_renews_there_and_asks_on(tmp_path: Path) -> None:
    """On one wire each host answers its own guests at the same address; a guest that comes knows it by what it knew before."""
    driver, wire = VxlanNetwork(), msgspec.structs.replace(
        LAN, network_id=7, name="wire", driver="vxlan", bridge="onebr7", nat=False, gateway="", dhcp="10.77.7.2", dns=(),
        physical_device="up0", vlan_id=77, vxlan_mode="static", mtu=1450,
    )  # fmt: skip
    lease = msgspec.structs.replace(WEB, ip="10.77.7.10")
    with contextlib.ExitStack() as stack:
        one, two, middle, guest = (stack.enter_context(contextlib.contextmanager(make)()) for _ in range(4))
        roots = [stack.enter_context(contextlib.contextmanager(make_root)()) for _ in range(2)]
        cable(one, "up0", two, "up0")
        for number, (namespace, place) in enumerate(zip((one, two), roots, strict=True), 1):
            namespace.sh(f"ip address add 192.0.2.{number}/24 dev up0")
            driver.prepare(handle(namespace, place), wire)
            driver.tunnel_to(handle(namespace, place), wire, [f"192.0.2.{3 - number}"])
            driver.serve(handle(namespace, place), wire, [lease])
        middle.sh("ip link add card type bridge")
        middle.sh("ip link set card up")
        cable(middle, "inner", guest, "eth0")
        middle.sh("ip link set inner master card")
        guest.sh(f"ip link set eth0 address {lease.mac}")
        for namespace, way in ((one, "first"), (two, "second")):
            cable(namespace, TAPS[0], middle, way)
            namespace.sh(f"ip link set {TAPS[0]} master {wire.bridge}")
        middle.sh("ip link set first master card")
        log, script = tmp_path / "log", tmp_path / "tell"
        script.write_text(f'#!/bin/sh\n[ "$1" != bound ] || ip address add "$ip/$mask" dev eth0\necho "$1 $ip" >>{log}\n')
        script.chmod(0o755)
        argv = ["ip", "netns", "exec", guest.name, "busybox", "udhcpc", "-f", "-i", "eth0", "-s", str(script)]
        client = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(client.kill)
        eventually(lambda: log.exists() and "bound 10.77.7.10" in log.read_text(), "its address")
        assert finds(guest, "web.wire.internal", wire.dhcp) == ["10.77.7.10"]
        middle.sh("ip link set first nomaster")
        middle.sh("ip link set second master card")
        one.sh(f"ip link delete {TAPS[0]}")
        driver.release(handle(one, roots[0]), wire)
        asked = ["busybox", "nslookup", "web.wire.internal", wire.dhcp]
        assert "10.77.7.10" in guest.transport.run(["timeout", "4", *asked], check=False).text, "at once"
        client.send_signal(signal.SIGUSR1)
        eventually(lambda: "renew 10.77.7.10" in log.read_text(), "its address again, of the other host", seconds=30)
        assert "deconfig" not in log.read_text().partition("bound")[2]

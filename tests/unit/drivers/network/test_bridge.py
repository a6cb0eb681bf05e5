"""Owned bridges, physical devices and taps, on a real kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from nebula.errors import ConflictError, UsageError
from nebula.model.network import NetworkSpec
from tests.contract.network import EXISTING, OWNED, TAPS, NetworkSubject, card
from tests.unit.drivers.network.namespaces import Namespace

HOLD = """
import fcntl, struct, sys
device = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x5002))
print("held", flush=True)
sys.stdin.read()
"""
"""Opens a tap as QEMU does (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR), until its stdin ends."""


def _link(host: Namespace, name: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(host.sh(f"ip -d -j link show dev {name}"))
    return found[0]


def test_an_owned_bridge_is_tagged_up_and_quiet(host: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, msgspec.structs.replace(OWNED, mtu=1400))
    link = _link(host, "onebr7")
    assert link["ifalias"] == "nebula:network:7"
    assert link["mtu"] == 1400
    assert "UP" in link["flags"]  # type: ignore[operator]
    assert link["linkinfo"]["info_data"]["stp_state"] == 0  # type: ignore[index]
    assert host.sh("ip -br address show dev onebr7").split()[2:] == []
    assert host.sh("cat /proc/sys/net/ipv6/conf/onebr7/disable_ipv6").strip() == "1"


def test_the_bridges_mac_does_not_follow_its_cards(host: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, OWNED)
    before = _link(host, "onebr7")["address"]
    network_subject.add_tap(card(OWNED))
    host.sh(f"ip link set {TAPS[0]} address 00:00:00:00:00:01")
    network_subject.driver.prepare(network_subject.host, OWNED)
    assert _link(host, "onebr7")["address"] == before


def test_somebody_elses_bridge_of_that_name_is_never_touched(host: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.add_bridge("onebr7")
    with pytest.raises(ConflictError) as caught:
        network_subject.driver.prepare(network_subject.host, OWNED)
    assert caught.value.hint
    network_subject.driver.release(network_subject.host, OWNED)
    assert network_subject.bridges() == ["onebr7"]
    assert [one.level for one in network_subject.driver.check(network_subject.host, OWNED)] == ["error"]


def test_remains_of_a_crash_are_cleared(host: Namespace, network_subject: NetworkSubject) -> None:
    host.sh("ip link add nbnew7 type bridge")
    network_subject.driver.prepare(network_subject.host, OWNED)
    assert network_subject.bridges() == ["onebr7"]


def test_two_vms_starting_at_once_make_one_bridge(network_subject: NetworkSubject) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: network_subject.driver.prepare(network_subject.host, OWNED), range(4)))
    assert network_subject.bridges() == ["onebr7"]


def test_a_physical_device_becomes_a_port(host: Namespace, network_subject: NetworkSubject) -> None:
    host.sh("ip link add phys0 mtu 1400 type veth peer name far0")
    network = msgspec.structs.replace(OWNED, physical_device="phys0", mtu=1500)
    for _ in range(2):
        network_subject.driver.prepare(network_subject.host, network)
    link = _link(host, "phys0")
    assert (link["master"], link["mtu"]) == ("onebr7", 1500)
    network_subject.driver.release(network_subject.host, network)
    assert network_subject.bridges() == []
    assert "master" not in _link(host, "phys0")


def _with_address(host: Namespace) -> None:
    host.sh("ip address add 192.0.2.9/24 dev phys0")


def _with_route(host: Namespace) -> None:
    host.sh("ip link set phys0 up")
    host.sh("ip route add default dev phys0")


def _in_another_bridge(host: Namespace) -> None:
    host.sh("ip link add br5 type bridge")
    host.sh("ip link set phys0 master br5")


def _missing(host: Namespace) -> None:
    host.sh("ip link delete phys0")


@pytest.mark.parametrize("change", [_with_address, _with_route, _in_another_bridge, _missing])
def test_a_device_that_the_host_needs_is_refused(host: Namespace, network_subject: NetworkSubject, change: object) -> None:
    host.sh("ip link add phys0 type veth peer name far0")
    assert callable(change)
    change(host)
    network = msgspec.structs.replace(OWNED, physical_device="phys0")
    with pytest.raises(ConflictError) as caught:
        network_subject.driver.prepare(network_subject.host, network)
    assert caught.value.hint
    assert "onebr7" not in network_subject.bridges()
    assert [one.check for one in network_subject.driver.check(network_subject.host, network)] == ["port"]


def test_an_existing_bridge_that_is_down_or_none_is_refused(host: Namespace, network_subject: NetworkSubject) -> None:
    host.sh("ip link add br0 type bridge")
    with pytest.raises(ConflictError, match="down"):
        network_subject.driver.prepare(network_subject.host, EXISTING)
    host.sh("ip link delete br0")
    host.sh("ip link add br0 type veth peer name br1")
    with pytest.raises(ConflictError, match="veth"):
        network_subject.driver.prepare(network_subject.host, EXISTING)


def test_a_tap_that_a_process_holds_is_left_alone(host: Namespace, network_subject: NetworkSubject) -> None:
    driver, handle = network_subject.driver, network_subject.host
    driver.prepare(handle, OWNED)
    host.sh(f"ip tuntap add dev {TAPS[0]} mode tap vnet_hdr")
    argv = ["ip", "netns", "exec", host.name, sys.executable, "-c", HOLD, TAPS[0]]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        driver.unplugged(handle, card(OWNED))
        assert driver.taps(handle) == [TAPS[0]]
        holder.communicate(b"")
    driver.unplugged(handle, card(OWNED))
    assert driver.taps(handle) == []


def test_a_card_on_the_wrong_bridge_is_put_right(host: Namespace, network_subject: NetworkSubject) -> None:
    network_subject.driver.prepare(network_subject.host, OWNED)
    host.sh(f"ip tuntap add dev {TAPS[0]} mode tap")
    network_subject.driver.plugged(network_subject.host, card(OWNED))
    assert _link(host, TAPS[0])["master"] == "onebr7"


def test_others_devices_are_no_taps_of_ours(host: Namespace, network_subject: NetworkSubject) -> None:
    for name in ("one-1", "one-x-0", "tap0", "one-1-0x"):
        host.sh(f"ip tuntap add dev {name} mode tap")
    assert network_subject.driver.taps(network_subject.host) == []


@pytest.mark.parametrize("bridge", ["", "a b", "-x", "x" * 16, "a\nlink delete eth0", "a/b", "br0;id"])
def test_names_that_no_device_can_have_are_refused(network_subject: NetworkSubject, bridge: str) -> None:
    network = NetworkSpec(network_id=1, name="bad", driver="bridge", bridge=bridge, owned=True)
    for verb in (network_subject.driver.prepare, network_subject.driver.release, network_subject.driver.check):
        with pytest.raises(UsageError):
            verb(network_subject.host, network)

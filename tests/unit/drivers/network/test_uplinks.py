"""What is said of the ways out of a host's own bridge. What this kernel's bridges lack (VLANs) is told by a stand-in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula.drivers.network.bridge import BridgeNetwork
from nebula.drivers.network.uplinks import look_at_uplinks
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec
from nebula.transport.base import Completed
from tests.unit.drivers.network.namespaces import Namespace, NamespaceTransport, handle

OFFICE = NetworkSpec(network_id=8, name="office", driver="bridge", bridge="br0")


@pytest.fixture
def bridged(host: Namespace) -> Namespace:
    """It has a bridge br0 with the port eth0, and a card."""
    host.sh("ip link add br0 type bridge")
    host.sh("ip link set br0 up")
    host.sh("ip link add eth0 type veth peer name far0")
    host.sh("ip link set eth0 master br0 up")
    host.sh("ip tuntap add dev one-1-0 mode tap")
    host.sh("ip link set one-1-0 master br0 up")
    return host


def look(host: Namespace, root: Path, network: NetworkSpec = OFFICE) -> list[Finding]:
    return BridgeNetwork().check(handle(host, root), network)


def test_a_bridge_whose_uplink_is_fit_is_fit(bridged: Namespace, tmp_path: Path) -> None:
    assert [one.level for one in look(bridged, tmp_path)] == ["ok"]


@pytest.mark.parametrize(
    ("change", "check", "fix"),
    [
        ("ip link delete eth0", "uplink", "ip link set dev DEVICE master br0"),
        ("ip link set eth0 down", "uplink", "ip link set dev eth0 up"),
        ("ip link set br0 type bridge stp_state 1", "stp", "ip link set dev br0 type bridge stp_state 0"),
    ],
)
def test_what_is_wrong_comes_with_what_mends_it(bridged: Namespace, tmp_path: Path, change: str, check: str, fix: str) -> None:
    bridged.sh(change)
    assert [(one.check, one.fix) for one in look(bridged, tmp_path)] == [(check, fix)]


def test_a_narrow_uplink_is_named(bridged: Namespace, tmp_path: Path) -> None:
    bridged.sh("ip link set eth0 mtu 1400")
    (found,) = look(bridged, tmp_path, msgspec.structs.replace(OFFICE, mtu=1500))
    assert (found.check, found.fix) == ("mtu", "ip link set dev eth0 mtu 1500")
    assert "1400" in found.text


class FilteringTransport(NamespaceTransport):
    """Its bridge br0 filters VLANs, and its port eth0 carries `carried`."""

    def __init__(self, namespace: str, carried: Sequence[dict[str, int]], default: int = 1) -> None:
        super().__init__(namespace)
        self._carried, self._default = carried, default

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        done = super().run(["true"] if list(argv[:3]) == ["bridge", "-j", "vlan"] else argv, **more)
        if argv[0] == "bridge":
            return Completed(tuple(argv), 0, json.dumps([{"ifname": "eth0", "vlans": self._carried}]).encode(), b"")
        if list(argv) == ["ip", "-j", "-d", "link", "show"]:
            links = json.loads(done.stdout)
            for link in links:
                if link.get("ifname") == "br0":
                    link["linkinfo"]["info_data"].update(vlan_filtering=1, vlan_default_pvid=self._default)
            return Completed(tuple(argv), 0, json.dumps(links).encode(), b"")
        return done


@pytest.mark.parametrize(
    ("carried", "default", "fix"),
    [
        ([{"vlan": 1}], 1, ""),
        ([{"vlan": 2, "vlanEnd": 9}], 5, ""),
        ([{"vlan": 100}], 1, "bridge vlan add dev eth0 vid 1 pvid untagged"),
        ([], 0, "ip link set dev br0 type bridge vlan_default_pvid 1"),
    ],
)
def test_the_vlan_of_cards_is_missing_on_the_uplink(
    bridged: Namespace, tmp_path: Path, carried: list[dict[str, int]], default: int, fix: str
) -> None:
    filtering = Namespace(FilteringTransport(bridged.name, carried, default))
    found = [one for one in look(filtering, tmp_path) if one.level == "error"]
    assert [one.fix for one in found] == ([fix] if fix else [])
    assert all(one.check == "vlan" for one in found)


def test_a_bridge_that_is_missing_is_told_of_elsewhere(host: Namespace, tmp_path: Path) -> None:
    assert look_at_uplinks(handle(host, tmp_path), OFFICE, {}) == []


def test_the_device_of_a_bridge_of_ours_is_named(host: Namespace, tmp_path: Path) -> None:
    host.sh("ip link add eno1 type veth peer name far0")
    network = NetworkSpec(network_id=7, name="lan", driver="bridge", bridge="onebr7", owned=True, physical_device="eno1")
    (found,) = look(host, tmp_path, network)
    assert (found.level, found.text.endswith("on onebr7, through eno1")) == ("ok", True)

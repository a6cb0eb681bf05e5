"""What `network check` says of two hosts, one of which has a fault; and that nothing of its probes stays."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

Findings = dict[str, list[dict[str, str]]]


def check(cluster: Program, network: str) -> Findings:
    """What is wrong, by host."""
    found = json.loads(cluster.run("network", "check", network, "-f", "json").stdout)
    return {
        host: [one for one in found if one["where"] == host and one["level"] in {"error", "warning"}] for host in ("h1", "h2")
    }


@contextmanager
def narrow(lab: LabHandle, host: str, mtu: int) -> Iterator[None]:
    """The host's uplink is too narrow."""
    lab.exec(host, "ip", "link", "set", "dev", "eth1", "mtu", str(mtu))
    lab.exec(host, "ip", "link", "set", "dev", "br0", "mtu", "1500")
    try:
        yield
    finally:
        lab.exec(host, "ip", "link", "set", "dev", "eth1", "mtu", "1500")


def probes(lab: LabHandle) -> list[str]:
    words = " ".join(lab.exec(host, "ip", "-br", "link") for host in ("h1", "h2")).split()
    return [word for word in words if word.startswith("nbp")]


def test_a_narrow_uplink_is_named_and_mended_as_told(cluster: Program, lab: LabHandle) -> None:
    assert check(cluster, "lan") == {"h1": [], "h2": []}
    with narrow(lab, "h2", 1400):
        found = check(cluster, "lan")
        looked, tried = sorted(found["h2"], key=lambda one: one["level"], reverse=True)
        assert (looked["check"], looked["fix"]) == ("mtu", "ip link set dev eth1 mtu 1500")
        assert re.search("up to 140[04] do", tried["text"]), "Linux may leave room for a tag"
        lab.exec("h2", *looked["fix"].split())
        assert check(cluster, "lan") == {"h1": [], "h2": []}
    assert probes(lab) == []


def test_a_vlan_that_is_missing_on_one_hosts_uplink_is_named(cluster: Program, lab: LabHandle) -> None:
    lab.run("openvswitch", "up")
    try:
        for host in ("h1", "h2"):
            bridge = ("ovs-vsctl", "add-br", "br7", "--", "set", "Bridge", "br7", "datapath_type=netdev")
            lab.exec(host, *bridge, "--", "add-port", "br7", "eth2")
            lab.exec(host, "ip", "link", "set", "dev", "eth2", "up")
        options = ("--driver", "ovswitch", "--bridge", "br7", "--vlan-id", "100", "--range", "10.79.0.10+5")
        cluster.out("network", "create", "red", *options)
        assert check(cluster, "red") == {"h1": [], "h2": []}
        lab.exec("h2", "ovs-vsctl", "set", "Port", "eth2", "trunks=[1,200]")
        found = check(cluster, "red")
        assert found["h1"] == []
        (missing,) = found["h2"]
        assert "VLAN 100 of network red is missing on eth2" in missing["text"]
        lab.exec("h2", *missing["fix"].split())
        assert check(cluster, "red") == {"h1": [], "h2": []}
        assert [lab.exec(host, "ovs-vsctl", "list-ports", "br7") for host in ("h1", "h2")] == ["eth2\n"] * 2
        cluster.out("network", "remove", "red")
    finally:
        lab.run("openvswitch", "down")


def test_an_engine_that_is_killed_meanwhile_leaves_nothing(alone: Program, lab: LabHandle) -> None:
    with narrow(lab, "h2", 1000):  # it takes longer to find out how much passes
        checking = alone.start("network", "check", "lan")
        eventually(lambda: len(probes(lab)) == 2, "probes on both hosts")
        os.kill(checking.pid, signal.SIGKILL)
        checking.wait()
    eventually(lambda: probes(lab) == [], "the end of the probes", seconds=60)

"""A host, and what is outside of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.drivers.network.bridge import BridgeNetwork
from nebula.model.network import NicSpec
from tests.contract.network import NetworkSubject
from tests.unit.drivers.network.namespaces import Namespace, cable, handle, make


@pytest.fixture
def host() -> Iterator[Namespace]:
    yield from make()


@pytest.fixture
def outside(host: Namespace) -> Iterator[Namespace]:
    """Beyond the host's default route, at 192.0.2.1; the host is 192.0.2.2 there."""
    for namespace in make():
        cable(host, "up0", namespace, "eth0")
        namespace.sh("ip address add 192.0.2.1/24 dev eth0")
        host.sh("ip address add 192.0.2.2/24 dev up0")
        host.sh("ip route add default via 192.0.2.1")
        yield namespace


@pytest.fixture
def root() -> Iterator[Path]:
    yield from make_root()


def make_root() -> Iterator[Path]:
    """A host's directory of ours, which others may read as they may on real hosts: dnsmasq does not stay root."""
    path = Path(tempfile.mkdtemp(prefix="nebula-"))
    path.chmod(0o755)
    yield path
    for pid in path.glob("network/*/pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    shutil.rmtree(path)


@pytest.fixture
def network_subject(host: Namespace, root: Path) -> NetworkSubject:
    return subject(host, root)


def subject(host: Namespace, root: Path) -> NetworkSubject:
    """The driver on that host."""

    def add_bridge(name: str) -> None:
        host.sh(f"ip link add {name} type bridge")
        host.sh(f"ip link set {name} up")

    def add_tap(nic: NicSpec) -> None:
        host.sh(f"ip tuntap add dev {nic.tap} mode tap")
        host.sh(f"ip link set {nic.tap} master {nic.network.bridge} up")

    def bridges() -> list[str]:
        found = json.loads(host.sh("ip -j link show type bridge") or "[]")
        return sorted(link["ifname"] for link in found if link)

    return NetworkSubject(
        driver=BridgeNetwork(), host=handle(host, root), add_bridge=add_bridge, add_tap=add_tap, bridges=bridges
    )

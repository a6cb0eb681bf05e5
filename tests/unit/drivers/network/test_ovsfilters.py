"""Filters of cards of Open vSwitch, by the packets that the filters of Linux bridges are tried with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from nebula.drivers.network.ovswitch import OvsNetwork
from nebula.model.network import NetworkSpec
from tests.contract.filters import *  # noqa: F403
from tests.contract.network import NetworkSubject
from tests.unit.drivers.network.guests import Guest
from tests.unit.drivers.network.namespaces import Namespace
from tests.unit.drivers.network.openvswitch import guest, switch, switch_subject

LAN = NetworkSpec(network_id=7, name="lan", driver="ovswitch", bridge="onebr7", owned=True, vlan_id=100)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    yield from switch(tmp_path_factory.mktemp("ovs") / "one")


@pytest.fixture(scope="module")
def network_subject(host: Namespace, tmp_path_factory: pytest.TempPathFactory) -> NetworkSubject:
    return switch_subject(host, tmp_path_factory.mktemp("host"), OvsNetwork(), LAN)


@pytest.fixture(scope="module")
def guests(host: Namespace, network_subject: NetworkSubject) -> Iterator[tuple[Guest, Guest, Guest]]:
    driver, on = network_subject.driver, network_subject.host
    driver.prepare(on, LAN)
    # The host's own port of the bridge is in the guests' VLAN.
    host.sh("ovs-vsctl set Port onebr7 tag=100")
    host.sh("ip link set onebr7 up")
    with contextlib.ExitStack() as stack:
        made = [contextlib.contextmanager(guest)(host, LAN, number) for number in (1, 2, 3)]
        web, app, other = (stack.enter_context(one) for one in made)
        for one in (web, app, other):
            driver.expect(on, one.nic)
            driver.plugged(on, one.nic)
        yield web, app, other

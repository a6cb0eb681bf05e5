from __future__ import annotations

import pytest

from nebula.drivers.sim.network import SimNetwork
from nebula.drivers.sim.world import SimWorld
from nebula.model.network import NicSpec
from tests.contract.network import *  # noqa: F403
from tests.contract.network import NetworkSubject
from tests.unit.drivers.sim.lab import handle


@pytest.fixture
def network_subject(world: SimWorld) -> NetworkSubject:
    world.hosts.add("bare")

    def add_tap(nic: NicSpec) -> None:
        world.hosts.add_tap("bare", nic.tap, nic.network.bridge)

    return NetworkSubject(
        driver=SimNetwork(),
        host=handle(world, "bare"),
        add_bridge=lambda name: world.hosts.add_bridge("bare", name),
        add_tap=add_tap,
        bridges=lambda: world.hosts.bridges("bare"),
    )

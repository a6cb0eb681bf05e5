"""The contract on simulated hosts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.contract.hypervisor import *  # noqa: F403
from tests.contract.hypervisor import HypervisorPair, HypervisorSubject
from tests.unit.drivers.sim.lab import handle, hypervisor, spec


@pytest.fixture
def subject(world: SimWorld) -> HypervisorSubject:
    def eventually(met: Callable[[], bool], what: str) -> None:
        world.follower.deliver()
        assert met(), what

    return HypervisorSubject(hypervisor(world, "one"), spec, "/srv/file.raw", "/srv/copy.raw", eventually)


@pytest.fixture
def pair(world: SimWorld) -> HypervisorPair:
    return HypervisorPair(hypervisor(world, "one"), hypervisor(world, "two"), handle(world, "two"), spec)

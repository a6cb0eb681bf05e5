from __future__ import annotations

from collections.abc import Iterator

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.unit.drivers.sim.lab import manual_world


@pytest.fixture
def world() -> Iterator[SimWorld]:
    made = manual_world()
    yield made
    made.close()

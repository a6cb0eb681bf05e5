from __future__ import annotations

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.sim.places import place
from nebula.drivers.sim.repository import SimRepository
from nebula.drivers.sim.storage import File
from nebula.drivers.sim.world import SimWorld
from tests.contract.repository import RepositoryContract, RepositoryLab
from tests.unit.drivers.sim.lab import handle


class TestSim(RepositoryContract):
    @pytest.fixture
    def lab(self, world: SimWorld) -> RepositoryLab:
        def put(host: HostHandle, directory: str, name: str, number: int) -> None:
            path, size = f"{directory}/{name}", 1 << (20 if name.endswith(".0") else 16)
            scope, datastore = place(host.name, path)
            world.storage.put(File(scope, path, "scratch", datastore, size, "qcow2", size, content=f"content {number}"))

        def seen(host: HostHandle, directory: str, name: str) -> str:
            found = world.storage.get(host.name, f"{directory}/{name}")
            return found.content if found else ""

        def damage() -> None:
            world.db.run("UPDATE repository SET damaged=1")

        where = "/var/lib/nebula/datastores/1/scratch/work"
        return RepositoryLab(SimRepository(5, {}, None), handle(world, "one"), handle(world, "two"), where, put, seen, damage)

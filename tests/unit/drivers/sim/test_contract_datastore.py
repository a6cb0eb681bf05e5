from __future__ import annotations

import pytest

from nebula.drivers.sim import images
from nebula.drivers.sim.datastore import SimDatastore
from nebula.drivers.sim.world import SimWorld
from tests.contract.datastore import DatastoreContract, DatastoreLab, LayersContract
from tests.unit.drivers.sim.lab import handle


def lab_of(world: SimWorld, settings: dict[str, object]) -> DatastoreLab:
    datastore = SimDatastore(1, settings)

    def stage(host, image):  # type: ignore[no-untyped-def]
        path = datastore.staging_path(host, image)
        images.stage(host, path, image.format, image.size)
        return path

    return DatastoreLab(datastore=datastore, source=handle(world, "one"), target=handle(world, "two"), stage=stage)


class TestLocalFiles(DatastoreContract, LayersContract):
    @pytest.fixture
    def lab(self, world: SimWorld) -> DatastoreLab:
        return lab_of(world, {})


class TestSlowCopies(DatastoreContract, LayersContract):
    """The same where every copy takes simulated minutes."""

    @pytest.fixture
    def lab(self, world: SimWorld) -> DatastoreLab:
        world.set("copy_bytes_per_second", 65536)
        return lab_of(world, {})


class TestSharedFiles(DatastoreContract, LayersContract):
    @pytest.fixture
    def lab(self, world: SimWorld) -> DatastoreLab:
        return lab_of(world, {"shared": True})


class TestBlocks(DatastoreContract):
    @pytest.fixture
    def lab(self, world: SimWorld) -> DatastoreLab:
        return lab_of(world, {"blocks": True})

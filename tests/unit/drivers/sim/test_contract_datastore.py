from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.sim import images
from nebula.drivers.sim.datastore import SimDatastore
from nebula.drivers.sim.world import SimWorld
from nebula.model.storage import DiskSpec
from tests.contract.datastore import DatastoreContract, DatastoreLab, InnerSnapshotsContract, LayersContract
from tests.unit.drivers.sim.lab import handle, hypervisor, spec


def lab_of(world: SimWorld, settings: dict[str, object]) -> DatastoreLab:
    datastore = SimDatastore(1, settings)

    def stage(host, image):  # type: ignore[no-untyped-def]
        path = datastore.staging_path(host, image)
        images.stage(host, path, image.format, image.size)
        return path

    @contextmanager
    def holding(host: HostHandle, disk: DiskSpec) -> Iterator[None]:
        driver, guest = hypervisor(world, host.name), spec(50, disks=[datastore.disk_path(host, disk)])
        driver.start(guest)
        yield
        driver.destroy(guest.uuid)
        driver.undefine(guest.uuid)

    return DatastoreLab(datastore, handle(world, "one"), handle(world, "two"), stage, holding)


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


class TestBlocks(DatastoreContract, InnerSnapshotsContract):
    @pytest.fixture
    def lab(self, world: SimWorld) -> DatastoreLab:
        return lab_of(world, {"blocks": True})

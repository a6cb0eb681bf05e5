"""Datastores whose disks are raw block devices that all hosts see, while the rest of a VM lies on its host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.machines.machine import machine_of
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim, sim_engine

KEY = "AQBTwlRoAAAAABAAyZyZyZyZyZyZyZyZyZyZyw=="


@pytest.fixture
def blocks(tmp_path: Path) -> Iterator[Sim]:
    with sim_engine(tmp_path, furnished=False) as sim:
        sim.add_hosts("h1", "h2")
        sim.engine.datastores.create({"name": "disks", "driver": "sim", "settings": {"blocks": "true"}}, CALL)
        sim.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.9.0.10-10.9.0.20"}]}, CALL)
        yield sim


def test_images_and_disks_are_raw(blocks: Sim) -> None:
    assert blocks.add_image("base", format="qcow2").format == "raw"
    vm = blocks.add_vm("one", DISK=[{"IMAGE": "base"}, {"SIZE": 8}])
    assert [disk.format for disk in machine_of(vm).disks] == ["raw", "raw"]
    blocks.engine.vms.disk_attach("one", {"SIZE": 8}, CALL)
    blocks.settle()
    assert machine_of(blocks.vm("one")).disks[2].format == "raw"


def test_another_format_is_refused(blocks: Sim) -> None:
    blocks.add_image("base")
    with pytest.raises(UsageError, match="has no qcow2 disks"):
        blocks.add_vm("one", DISK=[{"IMAGE": "base"}, {"SIZE": 8, "FORMAT": "qcow2"}])


def test_a_vm_moves_and_its_disks_stay_where_they_are(blocks: Sim) -> None:
    blocks.add_image("base")
    start = blocks.add_vm("one", DISK=[{"IMAGE": "base"}], HOST="h1")
    blocks.engine.vms.migrate("one", "h2", CALL, live=True)
    blocks.settle()
    moved = blocks.vm("one")
    assert (start.host_id, moved.host_id) == (blocks.host("h1").id, blocks.host("h2").id)
    blocks.engine.vms.stop("one", CALL)
    blocks.settle()
    assert blocks.vm("one").kept_on == moved.host_id
    assert blocks.world.audit.leaks([moved.id]) == []
    assert blocks.world.audit.violations() == []
    blocks.engine.vms.terminate("one", CALL)
    blocks.settle()
    assert blocks.world.audit.leaks([]) == []


def test_a_key_of_ceph_is_not_shown(blocks: Sim) -> None:
    settings = {"POOL_NAME": "one", "CEPH_HOST": "10.0.0.1", "CEPH_KEY": KEY}
    blocks.engine.datastores.create({"name": "rbd", "driver": "ceph", "settings": settings}, CALL)
    shown = blocks.engine.datastores.show("rbd").body
    assert (shown["settings"]["POOL_NAME"], shown["can"]["only disks are shared"]) == ("one", True)
    assert KEY not in str(shown)
    with pytest.raises(UsageError, match="no monitor"):
        blocks.engine.datastores.create({"name": "other", "driver": "ceph", "settings": {"CEPH_HOST": "a b|c"}}, CALL)

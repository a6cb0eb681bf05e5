"""Datastores whose disks are raw block devices that all hosts see, while the rest of a VM lies on its host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import File
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import DatastoreRow
from nebula.errors import ConflictError, NotFoundError, UsageError
from tests.support.sim import CALL, Sim, sim_engine

KEY = "AQBTwlRoAAAAABAAyZyZyZyZyZyZyZyZyZyZyw=="


@pytest.fixture
def blocks(tmp_path: Path) -> Iterator[Sim]:
    with sim_engine(tmp_path, furnished=False) as sim:
        sim.add_hosts("h1", "h2")
        sim.engine.datastores.create({"name": "disks", "driver": "sim", "settings": {"blocks": "true"}}, CALL)
        sim.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.9.0.10-10.9.0.20"}]}, CALL)
        yield sim


def test_that_all_hosts_see_it_is_known_before_it_is_looked_at(tmp_path: Path) -> None:
    with sim_engine(tmp_path, furnished=False) as sim:
        for name, blocks in (("own", "false"), ("disks", "true")):
            sim.engine.datastores.create({"name": name, "driver": "sim", "settings": {"blocks": blocks}}, CALL)
        known = {row.name: row.body.get("shared") for row in sim.rows(DatastoreRow)}
        assert (known["own"], known["disks"]) == (False, True)


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


def snapshots(sim: Sim) -> dict[str, tuple[object, object]]:
    return {row[1]: (row[2], row[3]) for row in sim.engine.vms.disk_snapshots("one", "0").rows}


def test_a_raw_disk_keeps_its_snapshots_within_itself(blocks: Sim) -> None:
    blocks.add_image("base")
    blocks.add_vm("one", DISK=[{"IMAGE": "base"}], HOST="h1")
    vms = blocks.engine.vms
    for name in ("clean", "later"):
        vms.disk_snapshot_create("one", "0", name, CALL)
        blocks.settle()
    assert machine_of(blocks.vm("one")).disks[0].layer == 0
    vms.migrate("one", "h2", CALL, live=True)
    blocks.settle()
    vms.disk_snapshot_delete("one", "0", "clean", CALL)
    blocks.settle()
    assert snapshots(blocks) == {"later": (None, True)}, "one on which a later one lies is deleted while the guest runs"
    vms.disk_saveas("one", "0", "golden", CALL, "later")
    blocks.settle()
    with pytest.raises(ConflictError, match="snapshots"):
        vms.disk_resize("one", "0", 64, CALL)
    vms.poweroff("one", CALL)
    blocks.settle()
    vms.disk_snapshot_create("one", "0", "off", CALL)
    blocks.settle()
    vms.disk_snapshot_revert("one", "0", "later", CALL)
    blocks.settle()
    vms.disk_snapshot_rename("one", "0", "later", "first", CALL)
    assert snapshots(blocks) == {"first": (None, True), "off": (2, False)}
    assert machine_of(blocks.vm("one")).disks[0].layer == 0
    assert blocks.world.audit.violations() == []
    vms.terminate("one", CALL)
    blocks.settle()
    assert blocks.world.audit.leaks([]) == []


def test_a_disk_that_cannot_go_back_holds_what_it_held(blocks: Sim) -> None:
    blocks.add_image("base")
    vm = blocks.add_vm("one", DISK=[{"IMAGE": "base"}], HOST="h1")
    blocks.engine.vms.disk_snapshot_create("one", "0", "clean", CALL)
    blocks.settle()
    blocks.engine.vms.poweroff("one", CALL)
    blocks.settle()
    blocks.world.faults.error("*", "datastore.go_back", "capacity")
    blocks.engine.vms.disk_snapshot_revert("one", "0", "clean", CALL)
    blocks.settle()
    assert (blocks.state("one"), snapshots(blocks)) == ("POWEROFF", {"clean": (None, True)})
    went = [row[0] for row in blocks.world.db.all("SELECT path FROM files WHERE path LIKE '%@%'")]
    assert [path.rpartition("@")[2] for path in went] == ["1"], "what was kept for the way back is gone"
    blocks.engine.vms.resume("one", CALL)
    blocks.settle()
    assert blocks.world.audit.violations() == []
    assert blocks.vm("one").id == vm.id


def test_what_is_left_of_vms_that_are_gone_is_found(blocks: Sim) -> None:
    blocks.add_image("base")
    vm = blocks.add_vm("one", DISK=[{"IMAGE": "base"}], HOST="h1")
    engine = blocks.engine

    def found() -> list[str]:
        looked = [*engine.datastores.check("disks"), *engine.hosts.check("h1")]
        return [item.text for item in looked if "VMs that are gone" in item.text]

    assert found() == []
    disk = blocks.world.db.one("SELECT path FROM files WHERE vm_id=? AND kind='disk'", vm.id)
    assert disk is not None
    engine.vms.terminate("one", CALL)
    blocks.settle()
    assert found() == []
    where = place("h1", str(disk[0]))
    blocks.world.storage.put(File(where.scope, str(disk[0]), "disk", where.datastore, 4096, "raw", 8 << 20, vm_id=vm.id))
    assert {text.rpartition(": ")[2] for text in found()} == {str(vm.id)}


def test_a_key_of_ceph_is_not_shown(blocks: Sim) -> None:
    settings = {"POOL_NAME": "one", "CEPH_HOST": "10.0.0.1", "CEPH_KEY": KEY}
    blocks.engine.datastores.create({"name": "rbd", "driver": "ceph", "settings": settings}, CALL)
    shown = blocks.engine.datastores.show("rbd").body
    assert (shown["settings"]["POOL_NAME"], shown["can"]["only disks are shared"]) == ("one", True)
    assert KEY not in str(shown)
    with pytest.raises(UsageError, match="no monitor"):
        blocks.engine.datastores.create({"name": "other", "driver": "ceph", "settings": {"CEPH_HOST": "a b|c"}}, CALL)
    removed = blocks.engine.datastores.remove("rbd", CALL)
    assert removed.job_id, "hosts give its key back"
    blocks.settle()
    with pytest.raises(NotFoundError):
        blocks.engine.datastores.show("rbd")

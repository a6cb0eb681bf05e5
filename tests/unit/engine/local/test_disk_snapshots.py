"""Snapshots of disks on simulated hosts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nebula.engine.api.values import Call
from nebula.errors import ConflictError, NotFoundError, WrongStateError
from tests.support.sim import CALL, Sim, sim_engine

DISKS: list[Mapping[str, Any]] = [{"IMAGE": "base", "FORMAT": "qcow2"}, {"SIZE": 8, "FORMAT": "qcow2"}]


def tree(sim: Sim, disk: str = "0") -> dict[str, tuple[int | None, bool]]:
    """Name -> parent's id, active."""
    return {row[1]: (row[2], row[3]) for row in sim.engine.vms.disk_snapshots("one", disk).rows}


def snap(sim: Sim, verb: str, name: str, disk: str = "vda") -> None:
    getattr(sim.engine.vms, f"disk_snapshot_{verb}")("one", disk, name, CALL)
    sim.settle()


def files(sim: Sim) -> list[str]:
    rows = sim.world.db.all("SELECT path FROM files WHERE kind='disk' ORDER BY path")
    return [path.rpartition("/")[2] for (path,) in rows]


def test_made_while_it_runs_and_reverted_while_it_is_off(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    snap(sim, "create", "clean")
    assert (sim.state("one"), tree(sim)) == ("RUNNING", {"clean": (None, True)})
    snap(sim, "create", "")
    assert tree(sim) == {"clean": (None, False), "snapshot-2": (1, True)}
    assert files(sim) == ["disk.0", "disk.0.1", "disk.0.2", "disk.1"]
    with pytest.raises(ConflictError, match="cannot go back under it"):
        sim.engine.vms.disk_snapshot_revert("one", "0", "clean", CALL)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    snap(sim, "revert", "clean")
    assert (sim.state("one"), tree(sim)) == ("POWEROFF", {"clean": (None, True), "snapshot-2": (1, False)})
    assert files(sim) == ["disk.0", "disk.0.1", "disk.0.3", "disk.1"]
    snap(sim, "create", "off")
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert tree(sim)["off"] == (1, True)
    with pytest.raises(ConflictError) as told:
        sim.engine.vms.disk_resize("one", "0", 1 << 10, CALL)
    assert "it has 3 snapshots" in told.value.cause
    with pytest.raises(ConflictError, match="cannot be detached"):
        sim.engine.vms.disk_detach("one", "0", CALL)
    sim.engine.vms.disk_snapshot_rename("one", "0", "off", "branch", CALL)
    assert tree(sim)["branch"] == (1, True)
    assert sim.engine.vms.show("one").body["disks"][0]["snapshots"] == 3
    sim.assert_sound()


def test_deleting_keeps_what_came_later(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    for name in ("a", "b", "c"):
        snap(sim, "create", name)
    with pytest.raises(ConflictError, match="a later snapshot that lies on it"):
        sim.engine.vms.disk_snapshot_delete("one", "0", "b", CALL)
    snap(sim, "delete", "c")
    assert tree(sim) == {"a": (None, False), "b": (1, True)}
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    snap(sim, "delete", "a")
    assert tree(sim) == {"b": (None, True)}
    assert files(sim) == ["disk.0.1", "disk.0.3", "disk.1"]
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    snap(sim, "delete", "b")
    assert (tree(sim), files(sim), sim.state("one")) == ({}, ["disk.0.3", "disk.1"], "RUNNING")
    sim.engine.vms.migrate("one", "", CALL, live=True)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_they_go_along_with_a_migration(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS, HOST="h1")
    snap(sim, "create", "a")
    snap(sim, "create", "b", "1")
    with pytest.raises(ConflictError, match="cannot be migrated live"):
        sim.engine.vms.migrate("one", "h2", CALL, live=True)
    (seen,) = sim.engine.drs.snapshot("default")["snapshot"]["vms"]
    assert seen["bound"].startswith("disk 0 has snapshots on storage of its host"), "DRS knows it, too"
    sim.engine.vms.migrate("one", "h2", CALL)
    sim.settle()
    assert (sim.state("one"), sim.where("one")) == ("RUNNING", "h2")
    assert files(sim) == ["disk.0", "disk.0.1", "disk.1", "disk.1.1"]
    assert {scope for (scope,) in sim.world.db.all("SELECT scope FROM files WHERE kind='disk'")} == {"h2"}
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    snap(sim, "revert", "a")
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_a_guest_that_came_alive_merges_none_until_it_is_started_anew(tmp_path: Path) -> None:
    with sim_engine(tmp_path / "home", shared=True) as sim:
        sim.add_vm("one", DISK=DISKS, HOST="h1")
        for name in ("a", "b"):
            snap(sim, "create", name)
        sim.engine.vms.migrate("one", "h2", CALL, live=True)
        sim.settle()
        assert (sim.state("one"), sim.where("one")) == ("RUNNING", "h2")
        with pytest.raises(ConflictError, match="while it runs") as told:
            sim.engine.vms.disk_snapshot_delete("one", "0", "b", CALL)
        assert "a live migration brought it" in told.value.cause
        sim.engine.vms.poweroff("one", CALL)
        sim.settle()
        sim.engine.vms.resume("one", CALL)
        sim.settle()
        snap(sim, "delete", "b")
        assert tree(sim) == {"a": (None, True)}


def test_they_end_with_the_vm_and_with_its_disks(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    snap(sim, "create", "a")
    sim.engine.vms.recover("one", "recreate", CALL)
    sim.settle()
    assert (tree(sim), files(sim), sim.state("one")) == ({}, ["disk.0", "disk.1"], "RUNNING")
    snap(sim, "create", "a")
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert files(sim) == []
    sim.assert_sound()


def test_what_cannot_have_them_says_why(sim: Sim) -> None:
    sim.add_image("data", persistent=True)
    sim.add_vm("one", DISK=[{"IMAGE": "base", "FORMAT": "raw"}, {"IMAGE": "data"}])
    with pytest.raises(ConflictError, match="cannot have snapshots") as raw:
        sim.engine.vms.disk_snapshot_create("one", "0", "a", CALL)
    assert "its format is raw" in raw.value.cause
    with pytest.raises(ConflictError) as persistent:
        sim.engine.vms.disk_snapshot_create("one", "1", "a", CALL)
    assert "the image itself" in persistent.value.cause
    with pytest.raises(NotFoundError, match="no disk"):
        sim.engine.vms.disk_snapshot_create("one", "sdz", "a", CALL)
    sim.engine.vms.suspend("one", CALL)
    sim.settle()
    with pytest.raises(WrongStateError):
        sim.engine.vms.disk_snapshot_create("one", "0", "a", CALL)


def test_the_definition_of_a_vm_that_is_off_names_the_disk_that_it_has_now(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    host, uuid = sim.where("one"), sim.vm("one").uuid
    snap(sim, "create", "a")
    assert sim.world.layers.source(host, uuid, "vda").endswith("disk.0.1")
    snap(sim, "revert", "a")
    assert sim.world.layers.source(host, uuid, "vda").endswith("disk.0.2")
    sim.world.faults.error("*", "hypervisor.switch_disk", "command")
    snap(sim, "create", "b")
    assert sim.world.layers.source(host, uuid, "vda").endswith("disk.0.2")
    assert tree(sim) == {"a": (None, True)}
    sim.assert_sound()


def test_one_whose_memory_is_kept_has_none_and_says_why(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.engine.vms.suspend("one", CALL)
    sim.settle()
    with pytest.raises(WrongStateError, match=r"as that memory knows it; allowed now: .*resume"):
        sim.engine.vms.disk_snapshot_create("one", "0", "a", CALL)


def test_a_dry_run_makes_none(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    assert sim.engine.vms.disk_snapshot_create("one", "0", "a", Call(dry_run=True)).would
    assert tree(sim) == {}


def test_one_that_fails_leaves_the_disk_as_it_was(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.world.faults.error("*", "hypervisor.switch_disk", "command")
    snap(sim, "create", "a")
    assert (tree(sim), files(sim), sim.state("one")) == ({}, ["disk.0", "disk.1"], "RUNNING")
    snap(sim, "create", "a")
    sim.world.faults.error("*", "hypervisor.pull_disk", "command")
    snap(sim, "delete", "a")
    assert tree(sim) == {"a": (None, True)}
    sim.assert_sound()

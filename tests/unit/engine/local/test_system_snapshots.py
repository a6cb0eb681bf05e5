"""Snapshots of a VM's memory and disks on simulated hosts."""

from __future__ import annotations

import pytest

from nebula.errors import ConflictError, NotFoundError
from tests.support.sim import CALL, Sim

DISKS = [{"IMAGE": "base", "FORMAT": "qcow2"}]


def names(sim: Sim) -> list[str]:
    return [row[1] for row in sim.engine.vms.snapshots("one").rows]


def snap(sim: Sim, verb: str, name: str) -> None:
    getattr(sim.engine.vms, f"snapshot_{verb}")("one", name, CALL)
    sim.settle()


def kept(sim: Sim) -> list[str]:
    return [name for (name,) in sim.world.db.all("SELECT name FROM snapshots ORDER BY name")]


def test_made_reverted_and_deleted(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    snap(sim, "create", "clean")
    snap(sim, "create", "")
    assert (names(sim), kept(sim), sim.state("one")) == (["clean", "snapshot-2"], ["snap-1", "snap-2"], "RUNNING")
    sim.engine.vms.snapshot_rename("one", "clean", "first", CALL)
    with pytest.raises(ConflictError, match="already"):
        sim.engine.vms.snapshot_rename("one", "first", "snapshot-2", CALL)
    with pytest.raises(NotFoundError, match="no snapshot 'clean'"):
        sim.engine.vms.snapshot_rename("one", "clean", "other", CALL)
    assert (names(sim), kept(sim)) == (["first", "snapshot-2"], ["snap-1", "snap-2"])
    snap(sim, "revert", "first")
    snap(sim, "delete", "1")
    assert (names(sim), kept(sim)) == (["snapshot-2"], ["snap-2"])
    with pytest.raises(NotFoundError, match="no snapshot"):
        sim.engine.vms.snapshot_revert("one", "clean", CALL)
    with pytest.raises(ConflictError, match="already"):
        sim.engine.vms.snapshot_create("one", "snapshot-2", CALL)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    snap(sim, "delete", "snapshot-2")
    assert (names(sim), kept(sim), sim.state("one")) == ([], [], "POWEROFF")
    sim.assert_sound()


def test_a_vm_that_has_some_stays_on_its_host(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    snap(sim, "create", "clean")
    for refused in ("stop", "undeploy"):
        with pytest.raises(ConflictError, match="it has snapshots"):
            getattr(sim.engine.vms, refused)("one", CALL)
    for live in (True, False):
        with pytest.raises(ConflictError, match="it has snapshots") as told:
            sim.engine.vms.migrate("one", "", CALL, live=live)
    assert "clean" in told.value.cause
    with pytest.raises(ConflictError, match="it has snapshots"):
        sim.engine.vms.disk_snapshot_create("one", "0", "a", CALL)
    with pytest.raises(ConflictError, match="it has snapshots"):
        sim.engine.vms.disk_resize("one", "0", 1 << 10, CALL)
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert kept(sim) == []


def test_what_cannot_have_them_says_why(sim: Sim) -> None:
    sim.add_vm("one", DISK=[*DISKS, {"SIZE": 8, "FORMAT": "raw"}])
    with pytest.raises(ConflictError) as told:
        sim.engine.vms.snapshot_create("one", "a", CALL)
    assert "is raw" in told.value.cause
    sim.add_vm("two", DISK=DISKS)
    sim.engine.vms.disk_snapshot_create("two", "0", "a", CALL)
    sim.settle()
    with pytest.raises(ConflictError) as told:
        sim.engine.vms.snapshot_create("two", "a", CALL)
    assert "of its own" in told.value.cause


def test_one_that_fails_is_not_kept(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.world.faults.error("*", "hypervisor.snapshot", "command")
    snap(sim, "create", "a")
    assert (names(sim), kept(sim), sim.state("one")) == ([], [], "RUNNING")

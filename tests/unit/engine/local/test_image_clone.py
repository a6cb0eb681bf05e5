"""Images that are copies of others."""

from __future__ import annotations

import pytest

from nebula.engine.api.values import Call
from nebula.errors import ConflictError, NotFoundError
from tests.support.sim import CALL, Sim, template


def test_a_copy_is_an_image_of_its_own(sim: Sim) -> None:
    made = sim.engine.images.clone("base", "other", Call(actor="alice"))
    sim.settle()
    base, copy = sim.image("base"), sim.image("other")
    assert (made.id, copy.state, copy.owner) == (copy.id, 1, "alice")
    assert (copy.size, copy.format, copy.type, copy.datastore_id) == (base.size, base.format, base.type, base.datastore_id)
    assert copy.uuid != base.uuid
    sim.engine.images.remove("base", CALL)
    sim.settle()
    assert sim.add_vm("web", DISK=[{"IMAGE": "other"}]).state == 3
    assert sim.engine.images.clone("other", "third", Call(dry_run=True)).would == ("copy image other to third",)


def test_what_is_not_whole_or_is_written_to_is_not_copied(sim: Sim) -> None:
    sim.add_image("data", persistent=True)
    sim.add_vm("web", DISK=[{"IMAGE": "data"}])
    with pytest.raises(ConflictError, match="a VM writes to it"):
        sim.engine.images.clone("data", "copy", CALL)
    with pytest.raises(ConflictError):
        sim.engine.images.clone("base", "data", CALL)
    with pytest.raises(NotFoundError):
        sim.engine.images.clone("nothing", "copy", CALL)


def test_a_persistent_image_is_left_alone_while_it_is_copied(sim: Sim) -> None:
    sim.add_image("data", persistent=True)
    sim.world.faults.hang("*", "datastore.clone_image", seconds=600.0)
    sim.engine.images.clone("data", "copy", CALL)
    sim.engine.vms.create(template("web", DISK=[{"IMAGE": "data"}]), CALL)
    assert sim.engine.vms.show("web").body["state"] == "CLONING"
    with pytest.raises(ConflictError, match="LOCKED"):
        sim.engine.images.clone("data", "again", CALL)
    sim.world.faults.release()
    sim.settle()
    assert sim.engine.vms.show("web").body["state"] == "RUNNING"
    assert sim.image("copy").state == 1


def test_one_that_fails_says_why_and_frees_its_source(sim: Sim) -> None:
    sim.add_image("data", persistent=True)
    sim.world.faults.error("*", "datastore.clone_image", "command")
    sim.engine.images.clone("data", "copy", CALL)
    sim.settle()
    assert (sim.image("copy").state, sim.image("data").state) == (5, 1)
    assert "ordered fault" in sim.image("copy").error
    sim.engine.images.remove("copy", CALL)
    sim.settle()

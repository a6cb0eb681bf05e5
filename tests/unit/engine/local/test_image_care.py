"""Images that exist: attributes of one's own, switched off and on, of another type."""

from __future__ import annotations

import pytest

from nebula.errors import ConflictError, DeniedError, UsageError
from tests.support.sim import CALL, Sim, template
from tests.unit.engine.local.test_access import BOB, as_, call


def test_attributes_are_added_changed_and_taken_away(sim: Sim) -> None:
    sim.engine.images.update("base", {"attributes": {"os_family": "debian", "RELEASE": "12"}, "description": "A base."}, CALL)
    body = sim.engine.images.show("base").body
    assert (body["attributes"], body["description"]) == ({"OS_FAMILY": "debian", "RELEASE": "12"}, "A base.")
    sim.engine.images.update("base", {"attributes": {"RELEASE": "", "OS_FAMILY": "alpine"}}, CALL)
    assert sim.engine.images.show("base").body["attributes"] == {"OS_FAMILY": "alpine"}
    assert sim.engine.images.show("base").body["source"]
    with pytest.raises(UsageError, match="no 'size' to change"):
        sim.engine.images.update("base", {"size": "1G"}, CALL)
    with pytest.raises(DeniedError):
        as_(sim, BOB).images.update("base", {"attributes": {"A": "1"}}, call(BOB))


def test_no_vm_gets_an_image_that_is_disabled(sim: Sim) -> None:
    sim.engine.images.disable("base", CALL)
    sim.engine.images.disable("base", CALL)
    with pytest.raises(ConflictError, match="image base is DISABLED"):
        sim.engine.vms.create(template("one"), CALL)
    sim.engine.images.enable("base", CALL)
    sim.add_vm("one")
    with pytest.raises(ConflictError, match="image base is USED") as caught:
        sim.engine.images.disable("base", CALL)
    assert "1 VMs use it" in caught.value.cause
    sim.assert_sound()


def test_an_image_becomes_one_of_another_type(sim: Sim) -> None:
    sim.add_image("tools", format="raw")
    for kind in ("datablock", "cdrom"):
        sim.engine.images.chtype("tools", kind, CALL)
        assert sim.image("tools").type == kind
    sim.add_vm("one", DISK=[{"IMAGE": "base"}, {"IMAGE": "tools"}])
    assert [disk["kind"] for disk in sim.engine.vms.show("one").body["disks"]] == ["clone", "cdrom"]
    with pytest.raises(ConflictError, match="image tools is USED"):
        sim.engine.images.chtype("tools", "os", CALL)
    sim.add_image("other")
    with pytest.raises(ConflictError, match="cannot be a CD"):
        sim.engine.images.chtype("other", "cdrom", CALL)
    for kind in ("context", "kernel"):
        with pytest.raises(UsageError, match="cannot become"):
            sim.engine.images.chtype("other", kind, CALL)


def test_a_saved_template_may_have_images_for_one_vm_at_a_time(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.save("one", "golden", CALL, persistent=True)
    sim.settle()
    assert sim.image("golden-disk-0").persistent
    sim.engine.templates.instantiate("golden", CALL)
    sim.settle()
    with pytest.raises(ConflictError, match="persistent and a VM uses it already"):
        sim.engine.templates.instantiate("golden", CALL)
    sim.assert_sound()


def test_a_vm_moves_without_its_guest_being_asked(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.world.guests.order("one", ignores_shutdown=True)
    with pytest.raises(UsageError, match="does not switch"):
        sim.engine.vms.migrate("one", "h2", CALL, live=True, hard=True)
    sim.engine.vms.migrate("one", "h2", CALL, hard=True)
    sim.settle()
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", ["h2"])
    sim.assert_sound()

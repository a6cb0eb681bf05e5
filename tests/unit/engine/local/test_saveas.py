"""Images of VMs' disks."""

from __future__ import annotations

import pytest

from nebula.errors import ConflictError
from tests.support.sim import CALL, Sim

DISKS = [{"IMAGE": "base", "FORMAT": "qcow2"}]


def test_of_a_vm_that_is_off(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    with pytest.raises(ConflictError, match="of no one moment"):
        sim.engine.vms.disk_saveas("one", "vda", "golden", CALL)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.disk_saveas("one", "vda", "golden", CALL)
    sim.settle()
    image = sim.image("golden")
    assert (image.state, image.format, sim.state("one")) == (1, "qcow2", "POWEROFF")
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert sim.add_vm("two", DISK=[{"IMAGE": "golden"}]).state == 3
    sim.assert_sound()


def test_of_a_snapshot_while_it_runs(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.engine.vms.disk_snapshot_create("one", "vda", "clean", CALL)
    sim.settle()
    sim.engine.vms.disk_saveas("one", "vda", "golden", CALL, "clean")
    sim.settle()
    assert (sim.image("golden").state, sim.state("one")) == (1, "RUNNING")
    sim.assert_sound()


def test_one_that_fails_is_an_image_in_error(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.world.faults.error("*", "datastore.save_disk", "command")
    sim.engine.vms.disk_saveas("one", "vda", "golden", CALL)
    sim.settle()
    assert (sim.image("golden").state, sim.state("one")) == (5, "POWEROFF")
    sim.engine.images.remove("golden", CALL)
    sim.settle()
    sim.assert_sound()


def test_a_template_of_a_vm_makes_another_like_it(sim: Sim) -> None:
    first = sim.add_vm("one", DISK=[*DISKS, {"SIZE": 8}])
    with pytest.raises(ConflictError, match="of no one moment"):
        sim.engine.vms.save("one", "golden", CALL)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.save("one", "golden", CALL)
    sim.engine.templates.instantiate("golden", CALL, "two")
    sim.settle()
    second = sim.vm("two")
    assert (sim.state("two"), sim.image("golden-disk-0").state) == ("RUNNING", 2)
    assert (second.memory, second.cpu, len(second.body["disks"])) == (first.memory, first.cpu, 2)
    assert second.ips != first.ips
    assert second.body["disks"][0]["image_name"] == "golden-disk-0"
    with pytest.raises(ConflictError, match="exists already"):
        sim.engine.vms.save("one", "golden", CALL)
    sim.assert_sound()


def test_a_clone_is_another_vm_like_one_that_is_off(sim: Sim) -> None:
    uuid = "11111111-2222-4333-8444-555555555555"
    first = sim.add_vm("one", DISK=[*DISKS, {"SIZE": 8}], OS={"UUID": uuid, "BOOT": "disk0"})
    with pytest.raises(ConflictError, match="of no one moment"):
        sim.engine.vms.clone("one", "two", CALL)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.clone("one", "two", CALL)
    sim.settle()
    second = sim.vm("two")
    assert (sim.state("one"), sim.state("two"), sim.image("two-disk-0").state) == ("POWEROFF", "RUNNING", 2)
    assert (second.memory, second.cpu, len(second.body["disks"])) == (first.memory, first.cpu, 2)
    assert second.ips not in ("", first.ips)
    assert (first.uuid, second.uuid == uuid, second.body["template"]["OS"]) == (uuid, False, {"BOOT": "disk0"})
    sim.assert_sound()


def test_a_clone_whose_images_fail_says_so_and_can_go(sim: Sim) -> None:
    sim.add_vm("one", DISK=DISKS)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.world.faults.error("*", "datastore.save_disk", "command")
    sim.engine.vms.clone("one", "two", CALL)
    sim.settle()
    assert (sim.state("one"), sim.state("two"), sim.image("two-disk-0").state) == ("POWEROFF", "CLONING_FAILURE", 5)
    sim.engine.vms.terminate("two", CALL)
    sim.engine.images.remove("two-disk-0", CALL)
    sim.settle()
    sim.assert_sound()


def test_a_clone_of_a_vm_without_images_needs_no_job(sim: Sim) -> None:
    sim.add_vm("one", DISK=None, NIC=None)
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.clone("one", "two", CALL)
    sim.settle()
    assert (sim.state("one"), sim.state("two")) == ("POWEROFF", "RUNNING")
    sim.assert_sound()

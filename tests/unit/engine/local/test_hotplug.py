"""Size, disks and cards of VMs that exist: running ones and those that are off, what is refused, and what a failure leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.drivers.sim import hypervisor
from nebula.engine.store.rows import LeaseRow, VmRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError, WrongStateError
from nebula.model.domain import DomainSpec
from tests.support.sim import CALL, SETTINGS, Sim, sim_engine
from tests.unit.engine.local.test_context import context_of

QUICK = msgspec.structs.replace(SETTINGS, guest_unplug=0.2)


def do(sim: Sim, verb: str, *words: Any, **options: Any) -> None:
    """The verb on "one", and its end."""
    getattr(sim.engine.vms, verb)("one", *words, CALL, **options)
    sim.settle()


def domain(sim: Sim) -> DomainSpec:
    """What the VM's host knows of it."""
    spec = sim.world.domains.everywhere(sim.vm("one").uuid)[0].spec
    assert spec is not None
    return spec


def targets(sim: Sim) -> list[str]:
    return [disk.target for disk in domain(sim).disks if disk.device == "disk"]


def last_error(sim: Sim) -> str:
    body = sim.engine.vms.describe("one").body["last_job"]
    return str(body["error"].get("message", ""))


# --- disks


def test_a_disk_comes_and_goes_while_the_vm_runs(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "disk_attach", {"SIZE": 8})
    assert (sim.state("one"), targets(sim)) == ("RUNNING", ["vda", "vdb"])
    shown = sim.engine.vms.show("one").body["disks"]
    assert [(disk["disk_id"], disk["target"], disk["size"]) for disk in shown][1] == (1, "vdb", 8 << 20)
    do(sim, "disk_attach", {"IMAGE": "base", "DEV_PREFIX": "sd"})
    assert domain(sim).disks[-1].bus == "scsi"
    assert sim.image("base").running_vms == 2
    do(sim, "disk_detach", "vdb")
    do(sim, "disk_detach", "2")
    assert (targets(sim), sim.image("base").running_vms) == (["vda"], 1)
    sim.assert_sound()
    do(sim, "terminate")
    sim.assert_sound()


def test_a_disk_comes_and_goes_while_the_vm_is_off(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "poweroff")
    do(sim, "disk_attach", {"SIZE": 8})
    assert sim.state("one") == "POWEROFF"
    do(sim, "resume")
    assert targets(sim) == ["vda", "vdb"]
    do(sim, "poweroff")
    do(sim, "disk_detach", "vdb")
    do(sim, "resume")
    assert targets(sim) == ["vda"]
    sim.assert_sound()


@pytest.mark.parametrize("fault", ["datastore.create_disk", "hypervisor.attach_disk"])
def test_a_disk_that_cannot_be_attached_is_dropped(sim: Sim, fault: str) -> None:
    sim.add_vm("one")
    before = sim.vm("one").disk
    sim.world.order_fault("*", fault, "command")
    do(sim, "disk_attach", {"SIZE": 8})
    assert (sim.state("one"), targets(sim), sim.vm("one").disk) == ("RUNNING", ["vda"], before)
    assert len(sim.engine.vms.show("one").body["disks"]) == 1
    assert "failed" in last_error(sim)
    sim.assert_sound()


def test_a_guest_that_does_not_let_go_keeps_its_disk(home) -> None:  # type: ignore[no-untyped-def]
    with sim_engine(home, furnished=False, settings=QUICK) as sim:
        sim.add_vm("one")
        do(sim, "disk_attach", {"SIZE": 8})
        sim.world.guests.order("one", ignores_shutdown=True)
        do(sim, "disk_detach", "vdb")
        assert (sim.state("one"), targets(sim)) == ("RUNNING", ["vda", "vdb"])
        assert "did not let go" in last_error(sim)
        assert len(sim.engine.vms.show("one").body["disks"]) == 2
        sim.assert_sound()


def test_what_cannot_be_plugged_is_refused_with_the_reason(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    sim.add_image("disc", type="cdrom")
    sim.add_image("kept", persistent=True)
    sim.add_vm("one", HOST="h2")
    sim.add_vm("other", DISK=[{"IMAGE": "kept"}])
    for disk, words in (
        ({"SIZE": 8, "DEV_PREFIX": "hd"}, "neither comes nor goes"),
        ({"IMAGE": "disc"}, "a CD drive neither comes"),
        ({"IMAGE": "kept"}, "a VM uses it already"),
    ):
        with pytest.raises(ConflictError, match=words):
            sim.engine.vms.disk_attach("one", disk, CALL)
    for bad in ({}, {"SIZE": 8, "TARGET": "vda"}, {"SIZE": 8, "DEV_PREFIX": "zz"}):
        with pytest.raises(UsageError):
            sim.engine.vms.disk_attach("one", bad, CALL)
    with pytest.raises(NotFoundError, match="no disk 'vdz'"):
        sim.engine.vms.disk_detach("one", "vdz", CALL)
    without = msgspec.structs.replace(hypervisor.CAPABILITIES, hot_buses=(), hot_cards=False, hot_resize=False)
    monkeypatch.setattr(hypervisor, "CAPABILITIES", without)
    with pytest.raises(ConflictError, match="no bus"):
        sim.engine.vms.disk_attach("one", {"SIZE": 8}, CALL)
    for verb, asked in ((sim.engine.vms.nic_attach, {"NETWORK": "lan"}), (sim.engine.vms.resize, {"CPU": "2"})):
        with pytest.raises(ConflictError, match="does not do that"):
            verb("one", asked, CALL)
    assert len(sim.engine.vms.show("one").body["disks"]) == 1
    sim.assert_sound()


def test_a_persistent_image_is_attached_where_it_is(sim: Sim) -> None:
    sim.add_image("kept", persistent=True)
    here = sim.engine.images.show("kept").body["copies_on"][0]
    sim.add_vm("one", HOST=next(name for name in ("h1", "h2") if name != here))
    with pytest.raises(ConflictError, match="another host"):
        sim.engine.vms.disk_attach("one", {"IMAGE": "kept"}, CALL)
    do(sim, "migrate", here, live=True)
    do(sim, "disk_attach", {"IMAGE": "kept"})
    assert targets(sim) == ["vda", "vdb"]
    do(sim, "disk_detach", "vdb")
    assert sim.image("kept").running_vms == 0
    sim.assert_sound()


def test_a_cd_is_put_in_and_taken_out(sim: Sim) -> None:
    for name in ("disc", "tools"):
        sim.add_image(name, type="cdrom")
    sim.add_vm("one", DISK=[{"IMAGE": "base"}, {"IMAGE": "disc"}])

    def loaded() -> str:
        return next(disk.path for disk in domain(sim).disks if disk.disk_id == 1)

    assert sim.image("disc").uuid in loaded()
    do(sim, "cd_change", "tools")
    assert sim.image("tools").uuid in loaded()
    assert (sim.image("disc").running_vms, sim.image("tools").running_vms) == (0, 1)
    do(sim, "cd_change", "")
    assert (loaded(), sim.image("tools").running_vms) == ("", 0)
    sim.world.order_fault("*", "hypervisor.load_cd", "command")
    do(sim, "cd_change", "disc")
    assert (loaded(), sim.image("disc").running_vms) == ("", 0)
    do(sim, "poweroff")
    do(sim, "cd_change", "disc")
    do(sim, "resume")
    assert sim.image("disc").uuid in loaded()
    with pytest.raises(ConflictError, match="is no CD"):
        sim.engine.vms.cd_change("one", "base", CALL)
    sim.assert_sound()


def test_a_vm_without_a_drive_takes_no_cd(sim: Sim) -> None:
    sim.add_image("disc", type="cdrom")
    sim.add_vm("one")
    with pytest.raises(NotFoundError, match="no such CD drive"):
        sim.engine.vms.cd_change("one", "disc", CALL)


def test_a_vm_with_an_empty_drive_lives_as_any_other(sim: Sim) -> None:
    sim.add_image("disc", type="cdrom")
    sim.add_vm("one", DISK=[{"IMAGE": "base"}, {"IMAGE": "disc"}])
    do(sim, "cd_change", "")
    for live in (True, False):
        do(sim, "migrate", "", live=live)
    do(sim, "stop")
    target = next(name for name in ("h1", "h2", "h3") if name != sim.engine.vms.show("one").body["disks_on"])
    sim.engine.vms.deploy("one", target, CALL)
    sim.settle()
    assert sim.runs("one") == [target]
    sim.engine.vms.recover("one", "recreate", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_a_vm_boots_from_what_is_left(sim: Sim) -> None:
    sim.add_vm("one", DISK=[{"IMAGE": "base"}, {"SIZE": 8}, {"SIZE": 8}], OS={"BOOT": "disk2,disk0,nic0"})
    for gone in ("0", "1"):
        do(sim, "disk_detach", gone)
    do(sim, "nic_detach", "0")
    do(sim, "poweroff")
    do(sim, "resume")
    assert (sim.state("one"), domain(sim).disks[0].boot_order) == ("RUNNING", 1)


def test_disks_grow_and_never_shrink(sim: Sim) -> None:
    sim.add_vm("one")

    def size() -> int:
        row = sim.world.db.one("SELECT virtual_size FROM files WHERE vm_id=? AND kind='disk'", sim.vm("one").id)
        return int(row[0]) >> 20 if row else 0

    do(sim, "disk_resize", "vda", 16)
    assert (sim.state("one"), size(), sim.vm("one").disk >> 20) == ("RUNNING", 16, 16)
    with pytest.raises(ConflictError, match="cannot shrink"):
        sim.engine.vms.disk_resize("one", "vda", 8, CALL)
    do(sim, "poweroff")
    do(sim, "disk_resize", "0", 32)
    do(sim, "undeploy")
    do(sim, "disk_resize", "0", 64)
    assert (sim.state("one"), size()) == ("UNDEPLOYED", 64)
    do(sim, "resume")
    assert sim.engine.vms.show("one").body["disks"][0]["size"] == 64 << 20
    sim.world.order_fault("*", "hypervisor.resize_disk", "command")
    do(sim, "disk_resize", "0", 128)
    assert (sim.state("one"), size(), sim.vm("one").disk >> 20) == ("RUNNING", 64, 64)
    sim.assert_sound()


def test_a_persistent_disk_that_grows_is_an_image_that_grew(sim: Sim) -> None:
    sim.add_image("kept", persistent=True)
    sim.add_vm("one", DISK=[{"IMAGE": "kept"}])
    do(sim, "disk_resize", "vda", 16)
    assert sim.image("kept").size == 16 << 20
    do(sim, "migrate", "", live=True)
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


# --- cards


def test_a_card_comes_and_goes_while_the_vm_runs(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "nic_attach", {"NETWORK": "lan", "IP": "10.9.0.33"})
    assert [card.tap for card in domain(sim).interfaces] == [f"one-{sim.vm('one').id}-{number}" for number in (0, 1)]
    assert sim.vm("one").ips.split(",")[1] == "10.9.0.33"
    sim.assert_sound()
    do(sim, "nic_detach", "1")
    assert (len(domain(sim).interfaces), sim.network("lan").used_leases) == (1, 1)
    do(sim, "nic_attach", {"NETWORK": "lan", "IP": "10.9.0.33"})
    assert sim.engine.vms.show("one").body["addresses"][1] == "10.9.0.33"
    sim.assert_sound()


def test_what_is_said_of_a_card_that_is_attached_is_kept(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"NETWORK": "YES"}, NIC=[{"NETWORK": "lan", "METRIC": "5"}])
    do(sim, "nic_attach", {"NETWORK": "lan", "METRIC": "7", "GATEWAY": "10.9.0.1"})
    told = context_of(sim, "one")
    assert {"ETH0_METRIC='5'", "ETH1_METRIC='7'", "ETH1_GATEWAY='10.9.0.1'"} <= set(told.splitlines())
    do(sim, "nic_detach", "1")
    do(sim, "nic_detach", "0")
    do(sim, "nic_attach", {"NETWORK": "lan", "MODEL": "e1000"})
    assert "METRIC" not in context_of(sim, "one"), "it has the number of the first card, and nothing else of it"
    do(sim, "nic_attach", {"NETWORK": "lan"})
    do(sim, "nic_attach", {"NETWORK": "lan"})
    do(sim, "nic_attach", {"NETWORK": "lan", "PARENT": "NIC1"})
    do(sim, "nic_detach", "0")
    do(sim, "nic_attach", {"NETWORK": "lan", "MODEL": "e1000"})
    do(sim, "poweroff")
    sim.engine.vms.clone("one", "two", CALL, hold=True)
    sim.settle()
    copied = sim.engine.vms.show("two").body["nics"]
    assert [(nic["name"], nic["model"], len(nic.get("aliases", []))) for nic in copied] == [
        ("NIC0", "virtio", 1), ("NIC1", "virtio", 0), ("NIC2", "e1000", 0),
    ]  # fmt: skip


def test_a_card_comes_and_goes_while_the_vm_is_off(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "poweroff")
    do(sim, "nic_attach", {"NETWORK": "lan"})
    do(sim, "resume")
    assert len(domain(sim).interfaces) == 2
    do(sim, "poweroff")
    do(sim, "nic_detach", sim.engine.vms.show("one").body["nics"][0]["mac"])
    do(sim, "resume")
    assert [card.nic_id for card in domain(sim).interfaces] == [1]
    sim.assert_sound()


@pytest.mark.parametrize("fault", ["network.prepare", "hypervisor.attach_card", "network.plugged"])
def test_a_card_that_cannot_be_attached_gives_its_address_back(sim: Sim, fault: str) -> None:
    sim.add_vm("one")
    sim.world.order_fault("*", fault, "command")
    do(sim, "nic_attach", {"NETWORK": "lan", "IP": "10.9.0.33"})
    assert (sim.state("one"), len(domain(sim).interfaces)) == ("RUNNING", 1)
    assert [lease.nic_id for lease in sim.rows(LeaseRow)] == [0]
    assert "10.9.0.33" not in sim.vm("one").ips
    sim.assert_sound()


def test_a_card_whose_unplugging_fails_is_plugged_again(sim: Sim) -> None:
    sim.add_vm("one")
    sim.world.order_fault("*", "hypervisor.detach_card", "command")
    do(sim, "nic_detach", "0")
    assert (sim.state("one"), len(domain(sim).interfaces), sim.network("lan").used_leases) == ("RUNNING", 1, 1)
    sim.assert_sound()


def test_a_cards_bandwidth_changes(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "nic_update", "0", {"INBOUND_AVG_BW": 1000, "INBOUND_PEAK_BW": 2000})
    inbound = domain(sim).interfaces[0].inbound
    assert inbound is not None
    assert (inbound.average, inbound.peak) == (1000, 2000)
    sim.world.order_fault("*", "hypervisor.update_card", "command")
    do(sim, "nic_update", "0", {"INBOUND_AVG_BW": 5000, "INBOUND_PEAK_BW": 9000})
    assert sim.engine.vms.show("one").body["nics"][0]["inbound"] == (1000, 2000, 0)
    do(sim, "poweroff")
    do(sim, "nic_update", "0", {"INBOUND_AVG_BW": "", "INBOUND_PEAK_BW": ""})
    assert sim.engine.vms.show("one").body["nics"][0]["inbound"] == (0, 0, 0)
    for bad in ({"MODEL": "e1000"}, {}, {"OUTBOUND_PEAK_BW": 5}):
        with pytest.raises(UsageError):
            sim.engine.vms.nic_update("one", "0", bad, CALL)


# --- size


def test_a_vm_that_is_off_is_resized_within_its_hosts_room(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1", MEMORY_MAX="256")
    do(sim, "poweroff")
    do(sim, "resize", {"MEMORY": "1G", "VCPU": "2", "CPU": "1.5"})
    vm = sim.vm("one")
    assert (vm.memory, vm.vcpus, vm.cpu, sim.state("one")) == (1024, 2, 150, "POWEROFF")
    assert sim.engine.hosts.show("h1").body["memory_mib"]["promised"] == 1024
    do(sim, "resume")
    assert (domain(sim).memory_mib, domain(sim).vcpus) == (1024, 2)
    do(sim, "poweroff")
    with pytest.raises(CapacityError):
        sim.engine.vms.resize("one", {"MEMORY": "4T"}, CALL)
    assert sim.vm("one").memory == 1024
    do(sim, "resize", {"MEMORY": "4T"}, enforce=False)
    assert sim.vm("one").memory == 4 << 20


def test_a_running_vm_is_resized_up_to_its_maximum(sim: Sim) -> None:
    sim.add_vm("one", VCPU="1", VCPU_MAX="4", MEMORY="128", MEMORY_MAX="512")
    do(sim, "resize", {"MEMORY": "512", "VCPU": "3"})
    assert (sim.state("one"), domain(sim).vcpus, domain(sim).memory_mib) == ("RUNNING", 3, 512)
    assert (sim.vm("one").memory, sim.vm("one").vcpus) == (512, 3)
    for asked in ({"VCPU": "5"}, {"MEMORY": "513"}):
        with pytest.raises(ConflictError, match="while it runs"):
            sim.engine.vms.resize("one", asked, CALL)
    do(sim, "poweroff")
    do(sim, "resume")
    assert (domain(sim).vcpus, domain(sim).memory_mib) == (3, 512)


def test_a_resize_that_fails_books_what_was(sim: Sim) -> None:
    sim.add_vm("one", MEMORY="128", MEMORY_MAX="512")
    sim.world.order_fault("*", "hypervisor.resize", "command")
    do(sim, "resize", {"MEMORY": "512"})
    assert (sim.state("one"), sim.vm("one").memory) == ("RUNNING", 128)
    sim.assert_sound()


def test_the_larger_size_is_booked_while_a_resize_is_under_way(sim: Sim) -> None:
    sim.add_vm("one", MEMORY="512", MEMORY_MAX="1024")
    for asked in ("1024", "256"):
        order = sim.world.faults.hang("*", "hypervisor.resize")
        sim.engine.vms.resize("one", {"MEMORY": asked}, CALL)
        assert sim.vm("one").memory == 1024
        sim.world.faults.release(order)
        sim.settle()
        assert sim.vm("one").memory == int(asked)


def test_one_that_waits_is_resized_and_one_with_a_memory_is_not(sim: Sim) -> None:
    sim.add_vm("one", MEMORY="1T")
    assert sim.state("one") == "PENDING"
    do(sim, "resize", {"MEMORY": "128"})
    sim.settle()
    assert sim.state("one") == "RUNNING"
    for bad in ({}, {"NAME": "x"}, {"CPU": "-1"}, {"VCPU": "0"}):
        with pytest.raises(UsageError):
            sim.engine.vms.resize("one", bad, CALL)
    do(sim, "suspend")
    for verb, words in (("resize", {"CPU": "2"}), ("disk_attach", {"SIZE": 8}), ("nic_attach", {"NETWORK": "lan"})):
        with pytest.raises(WrongStateError):
            getattr(sim.engine.vms, verb)("one", words, CALL)
    assert [vm.memory for vm in sim.rows(VmRow)] == [128]

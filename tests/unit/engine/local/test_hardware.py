"""What VMs have of their hosts for themselves: found, booked, given to the domain, moved, given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula.drivers.sim.hosts import facts_of
from nebula.engine.machines.migration import copies_crash
from nebula.engine.store.rows import HardwareRow, ReservationRow
from nebula.errors import CapacityError, CommandError, ConflictError
from nebula.model.host import HostHardware, NumaNode, PageCount, PciDevice
from tests.support.sim import CALL, DRY, Sim, sim_engine

GPU: dict[str, Any] = {"PCI": {"VENDOR": "10de"}}
OWN_CORES: dict[str, Any] = {"VCPU": 2, "CPU": 1, "TOPOLOGY": {"PIN_POLICY": "CORE", "HUGEPAGE_SIZE": 2}}


def equip(sim: Sim, name: str, *, first: int = 0, gpus: int = 1) -> None:
    """Four cores with two threads, some huge pages, a GPU; known when this returns."""
    cores = tuple((cpu, cpu + 4) for cpu in range(first, first + 4))
    devices = tuple(
        PciDevice(
            address=f"0000:3{number}:00.0", vendor="10de", device="1db6", class_="0302", node=0, driver="vfio-pci", group=number
        )
        for number in range(gpus)
    )
    pages = (PageCount(size_mib=2, total=256, free=256),)
    node = NumaNode(id=0, cores=cores, memory_mib=16384, pages=pages, distances=(10,))
    sim.world.hosts.set_hardware(name, HostHardware(nodes=(node,), devices=devices))
    sim.engine.hosts.show(name, refresh=True)


@pytest.fixture
def equipped(sim: Sim) -> Sim:
    equip(sim, "h1")
    equip(sim, "h2", first=8)
    equip(sim, "h3", gpus=0)
    return sim


def domain(sim: Sim, name: str) -> Any:
    """What the host was told of the VM."""
    uuid = sim.vm(name).uuid
    return next(one.spec for one in sim.world.domains.on(sim.where(name)) if one.uuid == uuid)


def test_a_setup_looks_at_hardware_and_a_look_writes_what_is_news(bare: Sim) -> None:
    bare.add_hosts("h1")
    (row,) = bare.rows(HardwareRow)
    assert row.body["devices"] == []
    bare.engine.hosts.show("h1", refresh=True)
    assert bare.rows(HardwareRow)[0].seen == row.seen
    equip(bare, "h1")
    assert bare.rows(HardwareRow)[0].body["devices"][0]["address"] == "0000:30:00.0"
    bare.engine.hosts.remove("h1", CALL)
    bare.settle()
    assert bare.rows(HardwareRow) == []


def test_devices_are_booked_like_capacity(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("one", **GPU)
    sim.add_vm("two", **GPU)
    assert {sim.where("one"), sim.where("two")} == {"h1", "h2"}
    assert [device.address for device in domain(sim, "one").host_devices] == ["0000:30:00.0"]
    sim.add_vm("three", **GPU)
    assert sim.state("three") == "PENDING"
    waiting = sim.engine.vms.describe("three").body["waiting"]
    assert waiting["summary"] == "3 hosts: 3 without its device"
    assert waiting["hosts"]["h3"] == "no free PCI device 10de:*"
    with pytest.raises(CapacityError, match="host h1 cannot take VM three"):
        sim.engine.vms.deploy("three", "h1", CALL, force=True)
    described = sim.engine.hosts.describe(sim.where("one")).body["pci"]
    assert described == ["0000:30:00.0 10de:1db6 display (0302): one has it"]
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    assert sim.state("three") == "PENDING"
    sim.assert_sound()
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.await_state("three", "RUNNING")
    sim.assert_sound()


def test_a_vm_with_a_device_moves_while_it_is_off_only(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("one", **GPU)
    source = sim.where("one")
    other = {"h1": "h2", "h2": "h1"}[source]
    with pytest.raises(ConflictError, match="cannot be migrated live"):
        sim.engine.vms.migrate("one", other, CALL, live=True)
    with pytest.raises(CapacityError, match="host h3 cannot take VM one"):
        sim.engine.vms.migrate("one", "h3", CALL)
    sim.engine.vms.migrate("one", other, DRY)
    assert [row.host_id for row in sim.rows(ReservationRow)] == [sim.vm("one").host_id]
    sim.engine.vms.migrate("one", other, CALL)
    sim.settle()
    assert sim.where("one") == other
    assert [device.address for device in domain(sim, "one").host_devices] == ["0000:30:00.0"]
    sim.add_vm("two", **GPU)
    assert sim.where("two") == source
    sim.assert_sound()


def test_a_vm_with_a_tpm_moves_while_it_runs_only(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("one", TPM={"MODEL": "tpm-crb"})
    target = next(name for name in ("h1", "h2") if name != sim.where("one"))
    with pytest.raises(ConflictError, match="can only be migrated live"):
        sim.engine.vms.migrate("one", target, CALL)
    sim.engine.vms.migrate("one", target, CALL, live=True)
    sim.settle()
    assert sim.where("one") == target


def test_cores_of_its_own_on_hosts_that_are_for_such(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("own", **OWN_CORES)
    assert sim.state("own") == "PENDING"
    assert "3 not for pinned VMs" in sim.engine.vms.describe("own").body["waiting"]["summary"]
    for name in ("h1", "h2"):
        sim.engine.hosts.update(name, {"attributes": {"PIN_POLICY": "PINNED"}}, CALL)
    sim.await_state("own", "RUNNING")
    before = domain(sim, "own")
    assert before.pins == {"h1": ("0,4", "1,5"), "h2": ("8,12", "9,13")}[sim.where("own")]
    assert (before.huge_page_mib, before.cells[0].host_node) == (2, 0)
    node = sim.engine.hosts.describe(sim.where("own")).body["numa"][0]
    assert node["huge_pages"] == [{"size_mib": 2, "total": 256, "free": 192}]
    assert len(node["pinned"]) == 7
    assert sim.engine.vms.show("own").body["held"]["nodes"][0]["pins"] == before.pins
    sim.add_vm("any")
    assert sim.where("any") == "h3"
    target = next(name for name in ("h1", "h2") if name != sim.where("own"))
    sim.engine.vms.migrate("own", target, CALL, live=True)
    sim.settle()
    assert sim.where("own") == target
    assert domain(sim, "own").pins == {"h1": ("0,4", "1,5"), "h2": ("8,12", "9,13")}[target]
    sim.assert_sound()


def test_what_is_booked_stays_when_the_engine_is_another(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("one", **GPU)
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    sim.restart()
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert [device.address for device in domain(sim, "one").host_devices] == ["0000:30:00.0"]
    sim.engine.vms.terminate("one", CALL, hard=True)
    sim.settle()
    assert sim.rows(ReservationRow) == []


def test_drs_leaves_vms_with_hardware_of_their_own_where_they_are(equipped: Sim) -> None:
    from nebula.engine.scheduler.ties import ties
    from nebula.engine.store.rows import VmRow

    sim = equipped
    sim.add_vm("one", **GPU)
    sim.add_vm("any")
    found = ties(sim.engine.services.store.read(), sim.rows(VmRow))
    assert found.allowed == {sim.vm("one").id: (sim.vm("one").host_id,)}


def test_a_failed_deploy_gives_back(equipped: Sim) -> None:
    sim = equipped
    sim.world.faults.error("*", "hypervisor.start", CommandError.code)
    sim.add_vm("one", **GPU)
    assert sim.state("one") == "BOOT_FAILURE"
    sim.add_vm("two", **GPU)
    sim.add_vm("three", **GPU)
    assert {sim.where("two"), sim.where("three")} == {"h1", "h2"}
    sim.assert_sound()
    with pytest.raises(CapacityError):
        sim.engine.vms.recover("one", "retry", CALL)
    sim.engine.vms.terminate("two", CALL, hard=True)
    sim.settle()
    sim.engine.vms.recover("one", "retry", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    sim.assert_sound()


def test_an_evacuation_takes_pinned_vms_along_and_leaves_those_with_devices(equipped: Sim) -> None:
    sim = equipped
    for name in ("h1", "h2"):
        sim.engine.hosts.update(name, {"attributes": {"PIN_POLICY": "PINNED"}}, CALL)
    sim.add_vm("own", HOST="h1", **OWN_CORES)
    sim.add_vm("gpu", HOST="h1", **OWN_CORES, **GPU)
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    assert (sim.where("own"), sim.where("gpu")) == ("h2", "h1")
    assert sim.state("gpu") == "RUNNING"
    sim.assert_sound()


def test_a_cache_of_the_hosts_on_shared_storage_bars_live_migrations(tmp_path: Path) -> None:
    with sim_engine(tmp_path / "home", shared=True) as sim:
        sim.engine.hosts.show("h1", refresh=True)
        sim.add_vm("one", DISK=[{"IMAGE": "base", "CACHE": "writeback"}])
        sim.add_vm("two", DISK=[{"IMAGE": "base", "CACHE": "directsync"}])
        for name in ("one", "two"):
            target = next(host for host in ("h1", "h2") if host != sim.where(name))
            if name == "one":
                with pytest.raises(ConflictError, match="cannot be migrated live"):
                    sim.engine.vms.migrate(name, target, CALL, live=True)
            sim.engine.vms.migrate(name, target, CALL, live=name == "two")
            sim.settle()
            assert sim.where(name) == target


def test_a_qemu_that_dies_of_it_gets_no_disks_with_io_threads(bare: Sim) -> None:
    for name in ("h1", "h2"):
        facts = msgspec.structs.replace(facts_of(name, 16, 65536, "EPYC"), hypervisor_version="7.2.0")
        bare.world.hosts.add(name, facts=facts)
    bare.furnish(hosts=("h1", "h2"))
    bare.add_vm("threads", FEATURES={"IOTHREADS": 1})
    bare.add_vm("plain")
    for name in ("threads", "plain"):
        target = next(host for host in ("h1", "h2") if host != bare.where(name))
        if name == "threads":
            with pytest.raises(ConflictError, match="cannot be migrated live"):
                bare.engine.vms.migrate(name, target, CALL, live=True)
        bare.engine.vms.migrate(name, target, CALL, live=name == "plain")
        bare.settle()
        assert bare.where(name) == target


def test_what_a_vm_has_for_itself_is_of_one_size(equipped: Sim) -> None:
    sim = equipped
    sim.add_vm("pages", TOPOLOGY={"HUGEPAGE_SIZE": 2})
    with pytest.raises(ConflictError, match="cannot be resized"):
        sim.engine.vms.resize("pages", {"MEMORY": 256}, CALL)
    sim.engine.vms.undeploy("pages", CALL, hard=True)
    sim.settle()
    sim.engine.vms.resize("pages", {"MEMORY": 256}, CALL)
    sim.engine.vms.resume("pages", CALL)
    sim.settle()
    sim.await_state("pages", "RUNNING")
    assert sim.rows(ReservationRow)[0].body["nodes"][0]["memory_mib"] == 256
    sim.assert_sound()


@pytest.mark.parametrize(
    ("version", "dies"), [("6.2.0", False), ("7.0.0", True), ("8.1.5", True), ("8.2.0", False), ("", False)]
)
def test_which_qemus_die_of_it(version: str, dies: bool) -> None:
    assert copies_crash(version) is dies


def test_a_check_takes_up_what_a_host_was_given_since(sim: Sim) -> None:
    known = sim.engine.hosts.describe("h1").body["numa"]
    hardware = sim.world.hosts.hardware("h1")
    pages = (PageCount(size_mib=2, total=160, free=160),)
    nodes = tuple(msgspec.structs.replace(node, pages=pages) for node in hardware.nodes)
    sim.world.hosts.set_hardware("h1", msgspec.structs.replace(hardware, nodes=nodes))
    assert sim.engine.hosts.describe("h1").body["numa"] == known
    sim.engine.hosts.check("h1")
    assert [node["huge_pages"] for node in sim.engine.hosts.describe("h1").body["numa"]] == [
        [{"size_mib": 2, "total": 160, "free": 160}]
    ]

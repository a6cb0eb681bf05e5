"""Virtual functions of hosts' cards as VMs' cards: leased, booked, told to libvirt and to the guest, and given back."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.store.rows import LeaseRow, ReservationRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError
from nebula.model.domain import DomainInterface
from nebula.model.host import HostHardware, PciDevice
from tests.support.cloudinit import from_cd
from tests.support.contextcd import cd_of
from tests.support.sim import CALL, Sim

FUNCTION: dict[str, Any] = {"VENDOR": "8086", "DEVICE": "154c", "TYPE": "NIC", "NETWORK": "lan"}


@pytest.fixture
def functions(sim: Sim) -> Sim:
    """h1 and h2 have a card with two virtual functions each."""
    for name, bus in (("h1", "3b"), ("h2", "5e")):
        devices = tuple(
            PciDevice(
                address=f"0000:{bus}:10.{number}", vendor="8086", device="154c", class_="0200", driver="vfio-pci", group=number
            )
            for number in range(2)
        )
        sim.world.hosts.set_hardware(name, HostHardware(devices=devices))
        sim.engine.hosts.show(name, refresh=True)
    return sim


def cards(sim: Sim, name: str = "one") -> tuple[DomainInterface, ...]:
    """As the VM's host was told of them."""
    spec = sim.world.domains.require(sim.where(name), sim.vm(name).uuid).spec
    assert spec is not None
    assert spec.host_devices == ()
    return spec.interfaces


def taps(sim: Sim) -> list[str]:
    return [str(name) for (name,) in sim.world.db.all("SELECT name FROM taps ORDER BY name")]


def test_a_function_has_the_lease_of_its_card(functions: Sim) -> None:
    vm = functions.add_vm("one", PCI=[FUNCTION, {**FUNCTION, "IP": "10.9.0.30", "GATEWAY": "10.9.0.2"}], HOST="h1")
    assert functions.state("one") == "RUNNING"
    plain, *given = cards(functions)
    assert (plain.tap, plain.address) == (f"one-{vm.id}-0", "")
    leases = functions.rows(LeaseRow)
    assert [(card.nic_id, card.mac) for card in given] == [(lease.nic_id, lease.mac) for lease in leases[1:]]
    assert {card.address for card in given} == {"0000:3b:10.0", "0000:3b:10.1"}
    assert (taps(functions), functions.network("lan").used_leases) == ([plain.tap], 3)
    assert functions.vm("one").ips.split(",")[-1] == "10.9.0.30"
    told = from_cd(cd_of(functions.world, "h1", vm.uuid), "context.sh").decode()
    assert f"ETH2_MAC='{given[1].mac}'" in told
    assert "ETH2_IP='10.9.0.30'" in told
    assert "ETH2_GATEWAY='10.9.0.2'" in told
    shown = functions.engine.vms.show("one").body["passthrough"]
    assert [(card["name"], card["ip"], card["device"]) for card in shown] == [
        ("PCI0", leases[1].ip, given[0].address),
        ("PCI1", "10.9.0.30", given[1].address),
    ]
    functions.add_vm("two", hold=True, PCI=[FUNCTION])
    functions.engine.vms.release("two", CALL)
    functions.settle()
    assert functions.where("two") == "h2"
    functions.add_vm("three", hold=True, PCI=[FUNCTION])
    with pytest.raises(CapacityError):
        functions.engine.vms.deploy("three", "h1", CALL, force=True)


def test_it_moves_while_it_is_off_and_leaves_nothing(functions: Sim) -> None:
    functions.add_vm("one", NIC=[], PCI=FUNCTION, HOST="h1")
    (before,) = cards(functions)
    with pytest.raises(ConflictError):
        functions.engine.vms.migrate("one", "h2", CALL, live=True)
    functions.engine.vms.poweroff("one", CALL, hard=True)
    functions.settle()
    functions.engine.vms.migrate("one", "h2", CALL)
    functions.settle()
    functions.engine.vms.resume("one", CALL)
    functions.settle()
    (after,) = cards(functions)
    assert (after.mac, before.address[:10], after.address[:10]) == (before.mac, "0000:3b:10", "0000:5e:10")
    assert functions.world.db.all("SELECT name FROM bridges") == []
    functions.assert_sound()
    functions.engine.vms.terminate("one", CALL, hard=True)
    functions.settle()
    assert (functions.rows(LeaseRow), functions.rows(ReservationRow), functions.network("lan").used_leases) == ([], [], 0)
    functions.assert_sound()


def test_a_card_beside_it_may_go_and_it_stays(functions: Sim) -> None:
    functions.add_vm("one", PCI=[FUNCTION])
    with pytest.raises(ConflictError, match="is a device of its host"):
        functions.engine.vms.nic_detach("one", "PCI0", CALL)
    functions.engine.vms.nic_detach("one", "0", CALL)
    functions.settle()
    functions.engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL)
    functions.settle()
    assert {(card.nic_id, bool(card.address)) for card in cards(functions)} == {(1, True), (2, False)}
    functions.assert_sound()


def test_networks_that_a_function_is_not_in_are_refused(functions: Sim) -> None:
    functions.engine.networks.update("lan", {"attributes": {"FILTER_MAC_SPOOFING": "YES"}}, CALL)
    with pytest.raises(ConflictError, match="filters its cards"):
        functions.engine.vms.create({"NAME": "one", "PCI": [FUNCTION]}, CALL)
    assert functions.rows(LeaseRow) == []
    with pytest.raises(UsageError, match="PCI 0/SECURITY_GROUPS is not supported"):
        functions.engine.vms.create({"NAME": "one", "PCI": [{**FUNCTION, "SECURITY_GROUPS": "web"}]}, CALL)


def test_a_copy_has_a_function_and_a_lease_of_its_own(functions: Sim) -> None:
    functions.add_vm("one", NIC=[], PCI=[{**FUNCTION, "IP": "10.9.0.30"}], HOST="h1")
    functions.engine.vms.poweroff("one", CALL, hard=True)
    functions.settle()
    functions.engine.vms.save("one", "golden", CALL)
    functions.settle()
    functions.engine.templates.instantiate("golden", CALL, "two", {"HOST": "h2"}, {})
    functions.settle()
    (card,) = cards(functions, "two")
    assert (functions.state("two"), card.address[:10]) == ("RUNNING", "0000:5e:10")
    assert functions.vm("two").ips not in ("", "10.9.0.30")
    functions.assert_sound()


def off(sim: Sim, **attributes: Any) -> Sim:
    sim.add_vm("one", HOST="h1", **attributes)
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    return sim


def devices(sim: Sim, name: str = "one") -> tuple[str, ...]:
    return tuple(sim.engine.vms.show(name).body.get("held", {}).get("pci", ()))


def test_devices_come_and_go_while_it_is_off(functions: Sim) -> None:
    sim = off(functions)
    plain = {"VENDOR": "8086", "DEVICE": "154C"}
    sim.engine.vms.pci_attach("one", {"SHORT_ADDRESS": "3b:10.1"}, CALL)
    sim.engine.vms.pci_attach("one", {**plain, "NAME": "gpu"}, CALL)
    assert devices(sim) == ("0000:3b:10.1", "0000:3b:10.0")
    with pytest.raises(CapacityError, match="has no PCI device 8086:154c"):
        sim.engine.vms.pci_attach("one", plain, CALL)
    with pytest.raises(UsageError, match="device gpu already"):
        sim.engine.vms.pci_attach("one", {**plain, "NAME": "gpu"}, CALL)
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    spec = sim.world.domains.require("h1", sim.vm("one").uuid).spec
    assert spec is not None
    assert [device.address for device in spec.host_devices] == ["0000:3b:10.1", "0000:3b:10.0"]
    with pytest.raises(ConflictError):
        sim.engine.vms.pci_detach("one", "gpu", CALL)
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    sim.engine.vms.pci_detach("one", "3b:10.1", CALL)
    assert devices(sim) == ("0000:3b:10.0",)
    with pytest.raises(NotFoundError, match="no PCI device 'PCI0'") as failed:
        sim.engine.vms.pci_detach("one", "PCI0", CALL)
    assert failed.value.cause == "it has gpu (0000:3b:10.0)"
    sim.engine.vms.pci_detach("one", "gpu", CALL)
    assert (devices(sim), sim.rows(ReservationRow), "PCI" in sim.engine.vms.show("one").body["template"]) == ((), [], False)
    sim.assert_sound()


def test_functions_come_and_go_with_their_leases_while_it_is_off(functions: Sim) -> None:
    sim = off(functions, PCI=[{**FUNCTION, "IP": "10.9.0.30"}])
    sim.engine.vms.pci_attach("one", {**FUNCTION, "IP": "10.9.0.31"}, CALL)
    assert sim.vm("one").ips.split(",")[1:] == ["10.9.0.30", "10.9.0.31"]
    held = devices(sim)
    sim.engine.vms.pci_detach("one", "0", CALL)
    assert (devices(sim), sim.vm("one").ips.split(",")[1:]) == (held[1:], ["10.9.0.31"])
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    _, card = cards(sim)
    shown = sim.engine.vms.show("one").body["passthrough"][0]
    assert (card.address, shown["name"], shown["pci"], shown["device"]) == (held[1], "PCI1", 0, held[1])
    assert sorted(lease.ip for lease in sim.rows(LeaseRow))[1:] == ["10.9.0.31"]
    sim.assert_sound()
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    sim.engine.vms.pci_detach("one", "PCI1", CALL)
    sim.engine.vms.pci_attach("one", FUNCTION, CALL)
    assert [card["name"] for card in sim.engine.vms.show("one").body["passthrough"]] == ["PCI0"]
    sim.assert_sound()


def test_a_device_of_a_vm_without_a_host_is_booked_where_it_comes_to(functions: Sim) -> None:
    sim = off(functions)
    sim.engine.vms.undeploy("one", CALL)
    sim.settle()
    sim.engine.vms.pci_attach("one", FUNCTION, CALL)
    assert sim.rows(ReservationRow) == []
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert (sim.state("one"), len(devices(sim))) == ("RUNNING", 1)
    sim.assert_sound()

"""Virtual functions of hosts' cards as VMs' cards: leased, booked, told to libvirt and to the guest, and given back."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.store.rows import LeaseRow, ReservationRow
from nebula.errors import CapacityError, ConflictError, UsageError
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

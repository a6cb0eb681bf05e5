"""DHCP and DNS of networks: what hosts are told of leases, when, and until when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.engine.monitor.served import put_back
from nebula.engine.store.rows import HostRow, JobRow
from nebula.errors import UsageError
from nebula.model.network import Lease
from tests.support.sim import CALL, Sim

INSIDE = {"name": "inside", "nat": True, "gateway": "10.77.5.1", "dhcp": "yes", "ranges": [{"IP": "10.77.5.10-10.77.5.20"}]}


def served(sim: Sim) -> dict[str, list[tuple[str, str]]]:
    """Host -> names and addresses that it gives."""
    return {
        str(host): [(lease.name, lease.ip) for lease in msgspec.json.decode(leases, type=list[Lease])]
        for host, leases in sim.world.db.all("SELECT host, leases FROM served ORDER BY host")
    }


@pytest.fixture
def inside(sim: Sim) -> Sim:
    """With a network that has DHCP."""
    sim.engine.networks.create(INSIDE, CALL)
    return sim


def add(sim: Sim, name: str, host: str) -> None:
    sim.add_vm(name, NIC=[{"NETWORK": "inside"}], SCHED_REQUIREMENTS=f'NAME = "{host}"')
    sim.settle()
    assert sim.state(name) == "RUNNING"


def test_hosts_that_carry_the_network_give_all_its_leases(inside: Sim) -> None:
    assert inside.engine.networks.show("inside").body["dhcp"] == "10.77.5.1"
    add(inside, "Web 1.a", "h1")
    assert served(inside) == {"h1": [("web-1-a", "10.77.5.10")]}
    add(inside, "store", "h2")
    both = [("web-1-a", "10.77.5.10"), ("store", "10.77.5.11")]
    assert served(inside) == {"h1": both, "h2": both}
    inside.engine.vms.rename("store", "vault", CALL)
    inside.settle()
    assert served(inside)["h1"] == [both[0], ("vault", "10.77.5.11")]
    inside.engine.vms.terminate("Web 1.a", CALL)
    inside.settle()
    assert served(inside) == {"h2": [("vault", "10.77.5.11")]}
    inside.engine.vms.terminate("vault", CALL)
    inside.settle()
    assert served(inside) == {}


def test_cards_come_and_go(inside: Sim) -> None:
    add(inside, "web", "h1")
    inside.engine.vms.nic_attach("web", {"NETWORK": "inside", "IP": "10.77.5.15"}, CALL)
    inside.settle()
    assert served(inside) == {"h1": [("web", "10.77.5.10"), ("web", "10.77.5.15")]}
    inside.engine.vms.nic_detach("web", "1", CALL)
    inside.settle()
    assert served(inside) == {"h1": [("web", "10.77.5.10")]}


def test_a_reservation_is_served_with_its_network(inside: Sim) -> None:
    inside.engine.networks.reserve("inside", "part", 4, CALL)
    inside.add_vm("web", NIC=[{"NETWORK": "part"}])
    inside.settle()
    assert [*served(inside).values()] == [[("web", "10.77.5.10")]]
    network = inside.engine.networks.show("inside").body["id"]
    assert [number for (number,) in inside.world.db.all("SELECT number FROM served")] == [network]


def test_what_ended_on_a_host_is_put_back(inside: Sim) -> None:
    add(inside, "web", "h1")
    services = inside.engine.services
    hosts = services.store.read().select(HostRow)
    inside.world.db.run("DELETE FROM served")
    for host in hosts:
        put_back(services, host)
    inside.settle()
    assert served(inside) == {"h1": [("web", "10.77.5.10")]}
    jobs = services.store.read().count(JobRow, "\"kind\"='network.serve'", ())
    for host in hosts:
        put_back(services, host)
    assert services.store.read().count(JobRow, "\"kind\"='network.serve'", ()) == jobs, "nothing was missing"


def test_guests_with_a_context_ask_there_too(inside: Sim) -> None:
    from nebula.engine.machines.machine import machine_of
    from nebula.engine.machines.networks import nic_context
    from nebula.engine.store.rows import NetworkRow

    add(inside, "web", "h1")
    nic = machine_of(inside.vm("web")).nics[0]
    row = inside.engine.services.store.read().get(NetworkRow, nic.network_id)
    assert nic_context(nic, row).dns == ("10.77.5.1",)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"nat": False, "bridge": "br0"}, "own"),
        ({"nat": False}, "--dhcp-address"),
        ({"dhcp": "10.77.5.2"}, "gateway"),
        ({"dhcp": "perhaps"}, "10.0.5.1"),
        ({"dhcp": "fd00::1"}, "IPv4"),
        ({"prefix_length": 31}, "--prefix"),
    ],
)
def test_what_cannot_be_served_is_refused(sim: Sim, change: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        sim.engine.networks.create(INSIDE | change, CALL)
    assert word in f"{caught.value} {caught.value.hint}"


def test_the_address_of_a_wire_s_hosts_is_nobody_s(sim: Sim) -> None:
    spec = {"name": "wire", "dhcp": "10.77.6.10", "ranges": [{"IP": "10.77.6.10-10.77.6.20"}]}
    sim.engine.networks.create(spec, CALL)
    sim.add_vm("web", NIC=[{"NETWORK": "wire"}])
    sim.settle()
    assert [*served(sim).values()] == [[("web", "10.77.6.11")]]

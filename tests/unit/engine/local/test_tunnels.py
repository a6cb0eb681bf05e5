"""VXLANs with peers that we know: who is told of whom as hosts come, go and have other addresses."""

from __future__ import annotations

import pytest

from nebula.engine.monitor.hardware import take_up
from nebula.errors import UsageError
from nebula.model.host import DeviceAddress, HostHardware, HostSample
from tests.support.sim import CALL, Sim

WIRE = {"name": "wire", "driver": "sim", "physical_device": "eth1", "vxlan_mode": "static", "ranges": [{"SIZE": "20"}]}


def tunnels(sim: Sim) -> dict[str, str]:
    """Host -> addresses that it sends to."""
    return {str(host): str(peers) for host, peers in sim.world.db.all("SELECT host, peers FROM tunnels ORDER BY host")}


def seen(sim: Sim, host: str, address: str) -> None:
    """A look at the host finds that address on eth1."""
    addresses = (DeviceAddress(device="eth0", address="198.51.100.9"), DeviceAddress(device="eth1", address=address))
    hardware = HostHardware(addresses=addresses)
    sim.world.hosts.set_hardware(host, hardware)
    take_up(sim.engine.services, sim.host(host), HostSample(taken=sim.engine.services.clock.now() + 1e6, hardware=hardware))
    sim.settle()


@pytest.fixture
def wire(sim: Sim) -> Sim:
    """A VM on each of two hosts."""
    sim.engine.networks.create(WIRE, CALL)
    for number, host in enumerate(("h1", "h2"), 1):
        seen(sim, host, f"192.0.2.{number}")
        sim.add_vm(f"on-{host}", NIC=[{"NETWORK": "wire"}], SCHED_REQUIREMENTS=f'NAME = "{host}"')
        sim.settle()
    return sim


def test_hosts_know_each_other_and_follow_an_address(wire: Sim) -> None:
    assert tunnels(wire) == {"h1": "192.0.2.2", "h2": "192.0.2.1"}
    seen(wire, "h2", "192.0.2.22")
    assert tunnels(wire) == {"h1": "192.0.2.22", "h2": "192.0.2.1"}


def test_a_host_that_is_offline_is_nobodys_peer(wire: Sim) -> None:
    wire.engine.vms.terminate("on-h2", CALL)
    wire.settle()
    assert tunnels(wire) == {"h1": "192.0.2.2"}
    wire.engine.hosts.offline("h2", CALL)
    wire.settle()
    assert tunnels(wire) == {"h1": ""}
    wire.engine.hosts.enable("h2", CALL)
    wire.settle()
    assert tunnels(wire) == {"h1": "192.0.2.2"}


def test_modes_that_are_none_are_refused(sim: Sim) -> None:
    for spec in ({**WIRE, "vxlan_mode": "unicast"}, {**WIRE, "driver": "802.1Q"}):
        with pytest.raises(UsageError) as caught:
            sim.engine.networks.create(spec, CALL)
        assert caught.value.hint

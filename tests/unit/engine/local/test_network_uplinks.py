"""Networks whose physical device is another one on some hosts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.sim import network as sim_network
from nebula.engine.local.network_uplinks import SETTING
from nebula.errors import ConflictError, NebulaError, NotFoundError, UnreachableError, UsageError
from nebula.model.network import NetworkSpec
from tests.support.sim import CALL, Sim


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(host, device) for each time that a host was to prepare or release a bridge."""
    found: list[tuple[str, str]] = []

    def noting(what: Any) -> Any:
        def work(self: Any, host: HostHandle, network: NetworkSpec, *more: Any) -> Any:
            found.append((host.name, network.physical_device))
            assert network.physical_devices == ()
            return what(self, host, network, *more)

        return work

    for verb in ("prepare", "release", "check"):
        monkeypatch.setattr(sim_network.SimNetwork, verb, noting(getattr(sim_network.SimNetwork, verb)))
    return found


def create(sim: Sim, name: str = "office", driver: str = "sim", **spec: Any) -> dict[str, Any]:
    wanted = {"name": name, "driver": driver, "physical_device": "eno1", "ranges": [{"IP": "10.8.0.10+20"}], **spec}
    sim.engine.networks.create(wanted, CALL)
    return sim.engine.networks.show(name).body


def test_each_host_is_told_of_its_own_device(sim: Sim, told: list[tuple[str, str]]) -> None:
    assert create(sim, physical_device_on={"h2": "enp3s0"})[SETTING] == {"h2": "enp3s0"}
    for host in ("h1", "h2"):
        sim.add_vm(f"on-{host}", NIC=[{"NETWORK": "office"}], SCHED_REQUIREMENTS=f'NAME = "{host}"')
        sim.settle()
    assert set(told) == {("h1", "eno1"), ("h2", "enp3s0")}
    told.clear()
    sim.engine.vms.terminate("on-h2", CALL)
    sim.settle()
    assert set(told) == {("h2", "enp3s0")}
    told.clear()
    sim.engine.networks.check("office")
    assert {("h1", "eno1"), ("h2", "enp3s0")} <= set(told)


def test_devices_change_where_no_vm_is_and_follow_a_renamed_host(sim: Sim) -> None:
    create(sim)
    sim.engine.networks.reserve("office", "part", 5, CALL)
    sim.add_vm("web", NIC=[{"NETWORK": "part"}], SCHED_REQUIREMENTS='NAME = "h1"')
    sim.settle()
    with pytest.raises(ConflictError) as caught:
        sim.engine.networks.update("office", {SETTING: {"h1": "enp3s0"}}, CALL)
    assert "h1" in str(caught.value)
    assert caught.value.hint
    sim.engine.networks.update("office", {SETTING: {"h2": "bond0"}}, CALL)
    sim.engine.hosts.rename("h2", "second", CALL)
    for name in ("office", "part"):
        assert sim.engine.networks.show(name).body[SETTING] == {"second": "bond0"}
    sim.engine.networks.update("office", {SETTING: {"second": ""}}, CALL)
    assert SETTING not in sim.engine.networks.show("part").body


@pytest.mark.parametrize(
    ("said", "error"),
    [({"h9": "eth1"}, NotFoundError), ({"h1": "a b"}, UsageError), ("h1", UsageError), ({"h1": "x" * 16}, UsageError)],
)
def test_what_makes_no_sense_is_refused(sim: Sim, said: Any, error: type[NebulaError]) -> None:
    with pytest.raises(error):
        create(sim, physical_device_on=said)
    create(sim, "lan2")
    with pytest.raises(error):
        sim.engine.networks.update("lan2", {SETTING: said}, CALL)


def test_a_device_of_some_hosts_needs_one_of_the_others(sim: Sim) -> None:
    with pytest.raises(UsageError):
        create(sim, physical_device="", physical_device_on={"h1": "eth1"})
    create(sim, physical_device="")
    with pytest.raises(UsageError):
        sim.engine.networks.update("office", {SETTING: {"h1": "eth1"}}, CALL)


def test_a_vlan_of_a_device_is_one_networks_on_every_host(sim: Sim) -> None:
    create(sim, "one", "802.1Q", physical_device_on={"h2": "enp3s0"}, vlan_id=7)
    assert create(sim, "two", "802.1Q", physical_device="eth9", vlan_id=7)["vlan_id"] == 7
    assert create(sim, "three", "802.1Q", physical_device="eth8", physical_device_on={"h2": "enp3s0"})["vlan_id"] == 2
    with pytest.raises(ConflictError, match="one"):
        create(sim, "four", "802.1Q", physical_device="eth8", physical_device_on={"h2": "enp3s0"}, vlan_id=7)
    with pytest.raises(ConflictError, match="one"):
        sim.engine.networks.update("two", {SETTING: {"h2": "enp3s0"}}, CALL)
    with pytest.raises(UsageError):
        sim.engine.networks.update("two", {SETTING: {"h2": "enp0s31f6abcde"}}, CALL)


def test_networks_of_one_uplink_have_the_same_devices(sim: Sim) -> None:
    """Of Open vSwitch they share a bridge, which cannot have one uplink for each."""
    one = create(sim, "one", "ovswitch", physical_device_on={"h2": "enp3s0"})
    with pytest.raises(ConflictError, match="one"):
        create(sim, "two", "ovswitch")
    assert create(sim, "two", "ovswitch", physical_device_on={"h2": "enp3s0"})["bridge"] == one["bridge"]
    sim.engine.networks.update("two", {SETTING: {"h1": "bond0"}}, CALL)
    assert sim.engine.networks.show("one").body[SETTING] == {"h1": "bond0", "h2": "enp3s0"}


@pytest.mark.parametrize(
    ("driver", "spec"),
    [
        ("bridge", {"physical_device": ""}), ("bridge", {"bridge": "br0"}), ("bridge", {"nat": True}),
        ("bridge", {"routed": True, "gateway": "10.8.0.1"}), ("bridge", {"dhcp": "10.8.0.2"}), ("802.1Q", {}), ("vxlan", {}),
        ("ovswitch", {}), ("bridge", {"move_addresses": "perhaps"}),
    ],
)  # fmt: skip
def test_addresses_move_where_that_makes_sense(sim: Sim, driver: str, spec: dict[str, Any]) -> None:
    assert create(sim, "one", "bridge", move_addresses="YES")["move_addresses"] is True
    assert "move_addresses" not in create(sim, "two", "bridge", move_addresses="no", physical_device="eno2", ranges=[])
    with pytest.raises(UsageError) as caught:
        create(sim, "three", driver, **{"move_addresses": True, "ranges": [], **spec})
    assert caught.value.hint


def test_a_network_goes_when_hosts_live_on_its_bridge_no_more(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    create(sim, move_addresses=True)
    asked: list[str] = []
    fails = [ConflictError("host h2 did not answer"), UnreachableError("host h2 does not answer")]

    def move_back(_: Any, host: HostHandle, network: NetworkSpec) -> None:
        assert network.move_addresses
        asked.append(host.name)
        if host.name == "h2" and fails:
            raise fails.pop()

    able = msgspec.structs.replace(sim_network.CAPABILITIES, moves_addresses=True)
    monkeypatch.setattr(sim_network, "CAPABILITIES", able)
    monkeypatch.setattr(sim_network.SimNetwork, "move_back", move_back, raising=False)
    sim.engine.networks.remove("office", CALL)
    sim.settle()
    assert asked == ["h1", "h2", "h1", "h2"], "a silent host is waited for"
    assert sim.engine.networks.show("office").body["driver"] == "sim"
    sim.engine.networks.remove("office", CALL)
    sim.settle()
    with pytest.raises(NotFoundError):
        sim.engine.networks.show("office")
    assert asked[4:] == ["h1", "h2", "h3"]

"""Networks of VLANs and VXLANs: their numbers and what fits into them."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.machines.networks import network_spec
from nebula.errors import ConflictError, UsageError
from tests.support.sim import CALL, Sim


def create(sim: Sim, name: str, driver: str, **spec: Any) -> dict[str, Any]:
    sim.engine.networks.create({"name": name, "driver": driver, "physical_device": "eth0", **spec}, CALL)
    return sim.engine.networks.show(name).body


def test_each_gets_a_number_of_its_own(sim: Sim) -> None:
    assert [create(sim, name, "vxlan")["vlan_id"] for name in ("one", "two")] == [2, 3]
    assert create(sim, "three", "vxlan", vlan_id=4)["vlan_id"] == 4
    assert create(sim, "four", "vxlan", physical_device="eth1")["vlan_id"] == 5
    assert create(sim, "five", "802.1Q")["vlan_id"] == 2
    assert create(sim, "six", "802.1Q", physical_device="eth1", vlan_id=2)["vlan_id"] == 2
    with pytest.raises(ConflictError, match="one"):
        create(sim, "seven", "vxlan", vlan_id=2)
    with pytest.raises(ConflictError, match="five"):
        create(sim, "eight", "802.1Q", vlan_id=2)


def test_reservations_share_the_first_networks_bridge(sim: Sim) -> None:
    whole = sim.network("lan")
    sim.engine.networks.reserve("lan", "part", 10, CALL)
    sim.engine.networks.reserve("part", "small", 3, CALL)
    specs = [network_spec(sim.network(name)) for name in ("lan", "part", "small")]
    assert {(spec.bridge_id, spec.bridge) for spec in specs} == {(whole.id, whole.bridge)}


def test_a_bridge_stays_while_a_reservation_has_a_card_on_it(sim: Sim) -> None:
    sim.engine.networks.reserve("lan", "part", 10, CALL)
    sim.add_vm("one", NIC=[{"NETWORK": "lan"}], HOST="h1")
    sim.add_vm("two", NIC=[{"NETWORK": "part"}], HOST="h1")
    before = sim.world.audit.operations("network.release")
    for name in ("one", "two"):
        sim.engine.vms.poweroff(name, CALL, hard=True)
        sim.settle()
    assert sim.world.audit.operations("network.release") == before
    for name in ("one", "two"):
        sim.engine.vms.terminate(name, CALL)
        sim.settle()
    assert sim.world.audit.operations("network.release") == before + 1


def test_a_tunnel_takes_its_share_of_the_mtu(sim: Sim) -> None:
    assert create(sim, "one", "vxlan")["mtu"] == 1450
    assert create(sim, "two", "vxlan", mtu=8950)["mtu"] == 8950
    assert "mtu" not in create(sim, "three", "802.1Q")


def test_networks_of_open_vswitch_have_the_vlans_that_they_ask_for(sim: Sim) -> None:
    """Those of one uplink are on the one bridge that can have it; none may be chosen twice unless somebody says so."""
    whole, auto, more = (
        create(sim, name, "ovswitch", **spec)
        for name, spec in (
            ("whole", {"vlan_tagged_id": "7, 20-22,21"}), ("auto", {"automatic_vlan_id": True}),
            ("more", {"automatic_vlan_id": True}),
        )
    )  # fmt: skip
    assert "vlan_id" not in whole
    assert [auto["vlan_id"], more["vlan_id"], whole["vlan_tagged_id"]] == [2, 3, "7,20-22"]
    assert {body["bridge"] for body in (whole, auto, more)} == {f"onebr{whole['id']}"}
    assert create(sim, "same", "ovswitch", vlan_id=2)["vlan_id"] == 2
    assert create(sim, "far", "ovswitch", physical_device="eth1")["bridge"] != whole["bridge"]
    theirs = create(sim, "theirs", "ovswitch", physical_device="", bridge="br0", automatic_vlan_id=True)
    assert (theirs["vlan_id"], theirs["bridge"]) == (2, "br0")
    spec = network_spec(sim.network("whole"))
    assert (spec.open_vswitch, spec.vlan_id, spec.trunks) == (True, 0, (7, 20, 21, 22))


def test_vlans_within_a_vlan(sim: Sim) -> None:
    body = create(sim, "one", "ovswitch", vlan_id=50, cvlans="103,101,110-112")
    assert (body["cvlans"], body["qinq_type"]) == ("101,103,110-112", "802.1ad")
    assert create(sim, "two", "ovswitch_vxlan", vlan_id=50, cvlans="7", qinq_type="802.1Q")["mtu"] == 1442
    for driver, wrong in (
        ("ovswitch", {"cvlans": "7"}), ("ovswitch", {"vlan_id": 5, "cvlans": "7", "vlan_tagged_id": "9"}),
        ("vxlan", {"cvlans": "7"}), ("ovswitch", {"vlan_id": 5, "qinq_type": "802.1q"}),
        ("ovswitch", {"vlan_id": 5, "cvlans": "7", "qinq_type": "q"}),
    ):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            create(sim, "other", driver, **wrong)
        assert caught.value.hint


def test_a_routed_network_is_where_its_gateway_is(sim: Sim) -> None:
    made = sim.engine.networks.create({"name": "routed", "driver": "sim", "routed": True, "gateway": "10.44.0.1"}, CALL)
    body = sim.engine.networks.show(str(made.id)).body
    assert (body["routed"], body["gateway"], body["ranges"][0]["IP"]) == (True, "10.44.0.1", "10.44.0.10")
    elsewhere = {"gateway": "10.45.0.1"}
    for wrong in ({}, {"gateway": "10.44.0.1"}, {**elsewhere, "nat": True}, {**elsewhere, "bridge": "br0"}):
        with pytest.raises((UsageError, ConflictError)) as caught:
            sim.engine.networks.create({"name": "other", "driver": "sim", "routed": True, **wrong}, CALL)
        assert caught.value.hint


def test_tunnels_of_open_vswitch_share_their_numbers_with_vxlan(sim: Sim) -> None:
    assert create(sim, "one", "vxlan")["vlan_id"] == 2
    plain, tagged = create(sim, "two", "ovswitch_vxlan"), create(sim, "three", "ovswitch_vxlan", vlan_id=2)
    assert [(body["outer_vlan_id"], body["mtu"]) for body in (plain, tagged)] == [(3, 1450), (4, 1446)]
    assert create(sim, "four", "vxlan")["vlan_id"] == 5
    with pytest.raises(ConflictError, match="two"):
        create(sim, "five", "vxlan", vlan_id=3)
    with pytest.raises(ConflictError, match="one"):
        create(sim, "six", "ovswitch_vxlan", outer_vlan_id=2)


def test_cards_that_no_vm_has_are_told_of(sim: Sim) -> None:
    vm = sim.add_vm("one", NIC=[{"NETWORK": "lan"}], HOST="h1")
    for tap in (f"one-{vm.id}-9", f"one-{vm.id + 1}-0"):  # the latter is nobody's yet: perhaps a later database's
        sim.world.hosts.add_tap("h1", tap, sim.network("lan").bridge)
    found = [finding for finding in sim.engine.hosts.check("h1") if finding.check == "cards"]
    assert [(finding.level, finding.text, finding.fix) for finding in found] == [
        ("warning", f"it has cards of VMs that are not there: one-{vm.id}-9", "nebula host clean h1")
    ]


@pytest.mark.parametrize(
    ("driver", "spec"),
    [
        ("vxlan", {"physical_device": ""}), ("802.1Q", {"physical_device": ""}), ("vxlan", {"bridge": "br0"}),
        ("802.1Q", {"nat": True}), ("802.1Q", {"vlan_id": 4095}), ("vxlan", {"vlan_id": 1 << 24}), ("bridge", {"vlan_id": 7}),
        ("802.1Q", {"physical_device": "enp0s31f6abcde"}), ("802.1q", {}), ("ovswitch", {"bridge": "br0"}),
        ("ovswitch", {"nat": True}), ("ovswitch", {"vlan_id": 4095}), ("ovswitch", {"vlan_tagged_id": "7-"}),
        ("ovswitch", {"vlan_tagged_id": "22-20"}), ("ovswitch", {"vlan_tagged_id": "4095"}),
        ("ovswitch", {"vlan_id": 7, "vlan_tagged_id": "5-9"}), ("ovswitch", {"vlan_id": 7, "automatic_vlan_id": True}),
        ("ovswitch", {"outer_vlan_id": 7}), ("ovswitch_vxlan", {"physical_device": ""}), ("ovswitch_vxlan", {"bridge": "br0"}),
        ("vxlan", {"vlan_tagged_id": "7"}), ("bridge", {"automatic_vlan_id": True}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(sim: Sim, driver: str, spec: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        create(sim, "one", driver, **spec)
    assert caught.value.hint

"""Aliases of cards: leases of their own, what guests and filters are told, and how they come and go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nebula.engine.store.rows import LeaseRow, NetworkRow, VmRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError
from nebula.model.firewall import CardFilter
from tests.support.sim import CALL, Sim
from tests.unit.engine.local.test_context import context_of, media
from tests.unit.engine.local.test_hotplug import do, domain, last_error

WEB = {"NETWORK": "lan", "PARENT": "NIC0", "IP": "10.9.0.33"}


def aliases(sim: Sim) -> list[dict[str, Any]]:
    return [alias for card in sim.engine.vms.show("one").body["nics"] for alias in card.get("aliases", ())]


def told(sim: Sim) -> dict[str, str]:
    """The variables of aliases."""
    lines = [line.partition("=") for line in context_of(sim, "one").splitlines() if "_ALIAS" in line]
    return {name: value.strip("'") for name, _, value in lines}


def card_filter(sim: Sim) -> CardFilter | None:
    tap = domain(sim).interfaces[0].tap
    row = sim.world.db.one("SELECT filter FROM filters WHERE tap=?", tap)
    return msgspec.json.decode(row[0], type=CardFilter) if row else None


def guard(sim: Sim) -> None:
    """The network's cards send from their own addresses alone."""
    sim.engine.networks.update("lan", {"attributes": {"FILTER_IP_SPOOFING": "YES"}}, CALL)
    sim.settle()


def test_a_vm_is_made_with_aliases(sim: Sim) -> None:
    guard(sim)
    asked: list[dict[str, Any]] = [
        {"NETWORK": "lan", "PARENT": "front", "IP": "10.9.0.33"},
        {"NETWORK": "lan", "PARENT": "0", "NAME": "blog"},
        {"NETWORK": "lan", "PARENT": "front", "EXTERNAL": "YES"},
    ]
    sim.add_vm("one", NIC=[{"NETWORK": "lan", "NAME": "front"}], NIC_ALIAS=asked)
    assert [card.nic_id for card in domain(sim).interfaces] == [0]
    found = [(alias["nic_id"], alias["alias_id"], alias["name"], alias["external"]) for alias in aliases(sim)]
    assert found == [(1, 0, "front_ALIAS0", False), (2, 1, "blog", False), (3, 2, "front_ALIAS2", True)]
    addresses = sim.engine.vms.show("one").body["addresses"]
    assert (len(set(addresses)), addresses[1]) == (4, "10.9.0.33")
    assert [(lease.nic_id, lease.parent_id) for lease in sim.rows(LeaseRow)] == [(0, -1), (1, 0), (2, 0), (3, 0)]
    variables = told(sim)
    assert (variables["ETH0_ALIAS0_IP"], variables["ETH0_ALIAS0_MASK"]) == ("10.9.0.33", "255.255.255.0")
    assert (variables["ETH0_ALIAS2_EXTERNAL"], "ETH0_ALIAS1_EXTERNAL" in variables) == ("YES", False)
    wanted = card_filter(sim)
    assert wanted is not None
    assert wanted.further == tuple(addresses[1:])
    holders = [row[-1] for row in sim.engine.networks.leases("lan").rows]
    assert f"VM {sim.vm('one').id} one alias 1 of card 0" in holders
    sim.assert_sound()
    do(sim, "terminate")
    assert (sim.rows(LeaseRow), sim.network("lan").used_leases) == ([], 0)
    sim.assert_sound()


def test_an_alias_comes_and_goes_while_the_vm_runs(sim: Sim) -> None:
    guard(sim)
    sim.add_vm("one")
    do(sim, "nic_attach", WEB)
    wanted = card_filter(sim)
    assert wanted is not None
    assert (sim.state("one"), wanted.further, told(sim)["ETH0_ALIAS0_IP"]) == ("RUNNING", ("10.9.0.33",), "10.9.0.33")
    assert media(sim, "one")
    assert len(domain(sim).interfaces) == 1
    sim.assert_sound()
    do(sim, "nic_detach", "NIC0_ALIAS0")
    wanted = card_filter(sim)
    assert wanted is not None
    assert (wanted.further, told(sim), aliases(sim)) == ((), {}, [])
    assert (sim.network("lan").used_leases, sim.vm("one").ips.count(",")) == (1, 0)
    sim.assert_sound()


def test_an_alias_comes_and_goes_while_the_vm_is_off(sim: Sim) -> None:
    sim.add_vm("one")
    do(sim, "poweroff")
    do(sim, "nic_attach", WEB)
    do(sim, "resume")
    assert told(sim)["ETH0_ALIAS0_IP"] == "10.9.0.33"
    do(sim, "poweroff")
    do(sim, "nic_detach", "1")
    do(sim, "resume")
    assert (told(sim), sim.network("lan").used_leases) == ({}, 1)
    sim.assert_sound()


def test_a_card_takes_its_aliases_along(sim: Sim) -> None:
    sim.add_vm("one", NIC_ALIAS=[WEB])
    do(sim, "nic_attach", {"NETWORK": "lan"})
    assert [card.nic_id for card in domain(sim).interfaces] == [0, 2]
    do(sim, "nic_detach", "0")
    assert ([lease.nic_id for lease in sim.rows(LeaseRow)], sim.network("lan").used_leases) == ([2], 1)
    assert (told(sim), aliases(sim)) == ({}, [])
    sim.assert_sound()


@pytest.mark.parametrize("fault", ["network.set_filters", "datastore.write_context"])
def test_an_alias_that_cannot_be_attached_gives_its_address_back(sim: Sim, fault: str) -> None:
    guard(sim)
    sim.add_vm("one")
    sim.world.order_fault("*", fault, "command")
    do(sim, "nic_attach", WEB)
    wanted = card_filter(sim)
    assert wanted is not None
    assert (sim.state("one"), aliases(sim), wanted.further) == ("RUNNING", [], ())
    assert "failed" in last_error(sim)
    assert [lease.nic_id for lease in sim.rows(LeaseRow)] == [0]
    sim.assert_sound()


def test_an_alias_whose_detaching_fails_stays(sim: Sim) -> None:
    sim.add_vm("one", NIC_ALIAS=[WEB])
    sim.world.order_fault("*", "datastore.write_context", "command")
    do(sim, "nic_detach", "NIC0_ALIAS0")
    assert (sim.state("one"), told(sim)["ETH0_ALIAS0_IP"], len(aliases(sim))) == ("RUNNING", "10.9.0.33", 1)
    sim.assert_sound()


def test_who_may_talk_to_a_group_may_talk_to_its_aliases(sim: Sim) -> None:
    sim.engine.securitygroups.create({"name": "db"}, CALL)
    rule = {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "SECURITY_GROUP_ID": "db"}
    sim.engine.securitygroups.create({"name": "store", "rules": [rule]}, CALL)
    sim.add_vm("two", NIC=[{"NETWORK": "lan", "SECURITY_GROUPS": "store", "IP": "10.9.0.12"}])
    sim.add_vm("one", NIC=[{"NETWORK": "lan", "SECURITY_GROUPS": "db", "IP": "10.9.0.11"}])
    do(sim, "nic_attach", WEB)

    def peers() -> set[str]:
        tap = f"one-{sim.vm('two').id}-0"
        row = sim.world.db.one("SELECT filter FROM filters WHERE tap=?", tap)
        assert row
        found = msgspec.json.decode(row[0], type=CardFilter)
        return {peer for rule in found.rules or () for peer in rule.peers or ()}

    assert peers() == {"10.9.0.11/32", "10.9.0.33/32"}
    do(sim, "nic_detach", "NIC0_ALIAS0")
    assert peers() == {"10.9.0.11/32"}


def test_a_copy_of_a_vm_has_aliases_of_its_own(sim: Sim) -> None:
    sim.add_vm("one", NIC=[{"NETWORK": "lan", "NAME": "front"}], NIC_ALIAS=[{**WEB, "PARENT": "front", "NAME": "blog"}])
    do(sim, "poweroff")
    sim.engine.vms.clone("one", "copy", CALL)
    sim.settle()
    (card,) = sim.engine.vms.show("copy").body["nics"]
    (alias,) = card["aliases"]
    assert (card["name"], alias["name"]) == ("front", "blog")
    assert alias["ip"] not in {"", "10.9.0.33"}
    sim.assert_sound()


def test_what_makes_no_alias_is_refused_with_the_reason(sim: Sim) -> None:
    sim.add_vm("one", NIC_ALIAS=[WEB])
    for item, words, kind in (
        ({**WEB, "PARENT": "NIC7"}, "no card 'NIC7'", NotFoundError),
        ({"PARENT": "NIC0"}, "names its NETWORK", UsageError),
        (WEB, "is taken", ConflictError),
        ({"NETWORK": "lan", "PARENT": "NIC0", "NAME": "NIC0_ALIAS0"}, "called NIC0_ALIAS0 already", ConflictError),
        ({"NETWORK": "lan", "PARENT": "NIC0", "SECURITY_GROUPS": "default"}, "not supported", UsageError),
        ({"NETWORK": "lan", "PARENT": "NIC0", "METHOD": "magic"}, "METHOD", UsageError),
    ):
        with pytest.raises(kind, match=words):
            sim.engine.vms.nic_attach("one", item, CALL)
    with pytest.raises(ConflictError, match="is an alias"):
        sim.engine.vms.nic_update("one", "NIC0_ALIAS0", {"INBOUND_AVG_BW": 9}, CALL)
    with pytest.raises(UsageError, match="NIC_ALIAS cannot be changed"):
        sim.engine.vms.update("one", {"NIC_ALIAS": []}, CALL)
    with pytest.raises(UsageError, match="PARENT is missing"):
        sim.add_vm("two", NIC_ALIAS=[{"NETWORK": "lan"}])
    with pytest.raises((CapacityError, UsageError)):
        sim.add_vm("two", NIC_ALIAS=[{"NETWORK": "lan", "PARENT": "NIC0"}] * 65)
    assert [row.name for row in sim.rows(VmRow)] == ["one"]
    assert sim.rows(NetworkRow)[0].used_leases == 2
    sim.assert_sound()

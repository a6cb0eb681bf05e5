"""Where empty disks go and which network a card gets, where the template leaves a choice."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.machines.machine import Machine, machine_of
from nebula.errors import ConflictError
from tests.support.sim import CALL, DRY, Sim, template


def made(sim: Sim, name: str, **attributes: Any) -> Machine:
    """A VM on hold."""
    sim.engine.vms.create(template(name, **attributes), CALL, hold=True)
    return machine_of(sim.vm(name))


def datastore(sim: Sim, name: str, kind: str = "system", cluster: str = "", **attributes: Any) -> int:
    accepted = sim.engine.datastores.create({"name": name, "driver": "sim", "type": kind, "cluster": cluster}, CALL)
    sim.engine.datastores.update(name, {"attributes": attributes}, CALL)
    return accepted.id


def network(sim: Sim, name: str, third: int, size: int = 9, cluster: str = "", **attributes: Any) -> int:
    ranges = [{"IP": f"10.{third}.0.1-10.{third}.0.{size}"}]
    accepted = sim.engine.networks.create({"name": name, "driver": "sim", "cluster": cluster, "ranges": ranges}, CALL)
    sim.engine.networks.update(name, {"attributes": attributes}, CALL)
    return accepted.id


EMPTY = [{"SIZE": 16}]
BOTH = [{"IMAGE": "base"}, {"SIZE": 16}]


def test_empty_disks_go_where_the_template_says(sim: Sim) -> None:
    slow, fast = datastore(sim, "slow", SPEED="1", TIER="a"), datastore(sim, "fast", SPEED="9", TIER="b")
    first = made(sim, "one", DISK=EMPTY).disks[0].datastore_id
    assert first not in {slow, fast}, "the oldest system datastore of the home"
    assert made(sim, "two", DISK=EMPTY, SCHED_DS_REQUIREMENTS="TIER = a").disks[0].datastore_id == slow
    assert made(sim, "three", DISK=EMPTY, SCHED_DS_RANK="SPEED").disks[0].datastore_id == fast
    assert made(sim, "four", DISK=EMPTY, SCHED_DS_REQUIREMENTS='NAME = "s*w"').disks[0].datastore_id == slow
    assert sim.vm("four").datastore_id == slow
    both = f'ID = {fast} & "CLUSTERS/ID" @> 1'
    assert made(sim, "five", DISK=EMPTY, SCHED_DS_REQUIREMENTS=both).disks[0].datastore_id == fast


def test_beside_an_image_only_if_nothing_else_is_said(sim: Sim) -> None:
    fast = datastore(sim, "fast", SPEED="9")
    image = sim.image("base").datastore_id
    assert [disk.datastore_id for disk in made(sim, "one", DISK=BOTH).disks] == [image, image]
    assert [disk.datastore_id for disk in made(sim, "two", DISK=BOTH, SCHED_DS_RANK="SPEED").disks] == [image, fast]
    sim.engine.vms.release("two", CALL)
    sim.await_state("two", "RUNNING")
    sim.engine.vms.migrate("two", "", CALL, live=True)
    sim.settle()
    assert sim.state("two") == "RUNNING"


def test_no_datastore_as_required_is_said_at_once(sim: Sim) -> None:
    datastore(sim, "slow", SPEED="1")
    with pytest.raises(ConflictError, match="no datastore meets SCHED_DS_REQUIREMENTS") as caught:
        sim.engine.vms.create(template("one", DISK=EMPTY, SCHED_DS_REQUIREMENTS="SPEED > 5"), DRY)
    assert "slow: SPEED > 5 is false: 1" in caught.value.cause


def test_a_datastore_of_the_vms_cluster_comes_first(sim: Sim) -> None:
    sim.engine.clusters.create("east", CALL)
    there = datastore(sim, "there", cluster="east", SPEED="1")
    here = datastore(sim, "here", cluster="default", SPEED="9")
    assert made(sim, "one", DISK=EMPTY, CLUSTER="east", SCHED_DS_REQUIREMENTS="SPEED > 0").disks[0].datastore_id == there
    assert made(sim, "two", DISK=EMPTY, HOST="h1", SCHED_DS_REQUIREMENTS="SPEED > 0").disks[0].datastore_id == here


def auto(**attributes: Any) -> dict[str, Any]:
    return {"NETWORK_MODE": "auto", **attributes}


def networks_of(machine: Machine) -> list[str]:
    return [nic.network for nic in machine.nics]


def test_a_card_gets_a_network_by_its_expressions(sim: Sim) -> None:
    network(sim, "red", 11, ZONE="dmz", PRIORITY="1")
    network(sim, "blue", 12, ZONE="dmz", PRIORITY="2")
    assert networks_of(made(sim, "one", NIC=[auto(SCHED_REQUIREMENTS="ZONE = dmz", SCHED_RANK="PRIORITY")])) == ["blue"]
    assert networks_of(made(sim, "two", NIC=[auto(SCHED_REQUIREMENTS="ZONE = dmz", SCHED_RANK="-PRIORITY")])) == ["red"]
    assert made(sim, "three", NIC=[auto(SCHED_REQUIREMENTS='NAME = "b*"')]).nics[0].ip == "10.12.0.2"


def test_without_a_rank_addresses_are_spread_and_cards_differ(sim: Sim) -> None:
    network(sim, "red", 11, ZONE="dmz")
    network(sim, "blue", 12, ZONE="dmz")
    card = auto(SCHED_REQUIREMENTS="ZONE = dmz")
    assert [networks_of(made(sim, f"vm{number}", NIC=[card]))[0] for number in range(4)] == ["red", "blue", "red", "blue"]
    assert sorted(networks_of(made(sim, "two", NIC=[card, card]))) == ["blue", "red"]
    assert len(networks_of(made(sim, "three", NIC=[card, card, card]))) == 3


def test_a_full_network_is_passed_over(sim: Sim) -> None:
    network(sim, "small", 11, size=2, ZONE="dmz", PRIORITY="9")
    network(sim, "large", 12, ZONE="dmz")
    card = auto(SCHED_REQUIREMENTS="ZONE = dmz", SCHED_RANK="PRIORITY")
    found = [networks_of(made(sim, f"vm{number}", NIC=[card]))[0] for number in range(4)]
    assert (found[0], found[-1]) == ("small", "large")


def test_a_card_stays_in_the_vms_cluster(sim: Sim) -> None:
    sim.engine.clusters.create("east", CALL)
    network(sim, "there", 11, cluster="east", ZONE="dmz", PRIORITY="9")
    network(sim, "here", 12, cluster="default", ZONE="dmz")
    card = auto(SCHED_REQUIREMENTS="ZONE = dmz", SCHED_RANK="PRIORITY")
    assert networks_of(made(sim, "one", NIC=[card], CLUSTER="default")) == ["here"]
    assert networks_of(made(sim, "two", NIC=[card], CLUSTER="east")) == ["there"]
    assert networks_of(made(sim, "three", NIC=[{"NETWORK": "here"}, card])) == ["here", "here"]
    with pytest.raises(ConflictError, match="no network meets NIC/SCHED_REQUIREMENTS"):
        sim.engine.vms.create(template("four", CLUSTER="east", NIC=[auto(SCHED_REQUIREMENTS="NAME = here")]), DRY)

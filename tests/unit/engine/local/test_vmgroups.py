"""VM groups from the façade to the hosts of a simulated cluster."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.scheduler.ties import ties
from nebula.engine.store.rows import VmGroupMemberRow, VmRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError
from tests.support.sim import CALL, Sim, template

WEB = {"name": "web", "policy": "anti-affined"}
DB = {"name": "db", "policy": "AFFINED"}


def make(sim: Sim, **spec: Any) -> None:
    sim.engine.vmgroups.create({"name": "shop", "roles": [WEB, DB], **spec}, CALL)


def add(sim: Sim, name: str, role: str, **attributes: Any) -> VmRow:
    return sim.add_vm(name, VMGROUP={"VMGROUP_NAME": "shop", "ROLE": role}, **attributes)


def test_a_group_is_shown_with_its_rules_and_vms(sim: Sim) -> None:
    make(sim, anti_affined=[["web", "db"]])
    add(sim, "one", "web")
    body = sim.engine.vmgroups.show("shop").body
    assert body["roles"] == [{"name": "web", "policy": "ANTI_AFFINED"}, {"name": "db", "policy": "AFFINED"}]
    assert body["anti_affined"] == [["db", "web"]]
    assert body["vms"] == [{"id": sim.vm("one").id, "name": "one", "role": "web", "host": sim.where("one")}]
    assert sim.vm("one").body["template"]["VMGROUP"] == {"VMGROUP_ID": 1, "VMGROUP_NAME": "shop", "ROLE": "web"}


def test_the_scheduler_keeps_the_rules(sim: Sim) -> None:
    make(sim)
    for number in range(3):
        add(sim, f"web-{number}", "web")
        add(sim, f"db-{number}", "db")
    assert len({sim.where(f"web-{number}") for number in range(3)}) == 3
    assert len({sim.where(f"db-{number}") for number in range(3)}) == 1
    sim.engine.vms.create(template("web-3", VMGROUP="shop:web"), CALL)
    sim.settle()
    assert sim.state("web-3") == "PENDING"
    hosts = sim.engine.vms.describe("web-3").body["waiting"]["hosts"]
    assert all("its VMs keep apart, and web-" in words for words in hosts.values())
    sim.engine.vms.terminate("web-1", CALL)
    sim.await_state("web-3", "RUNNING")


def test_a_person_is_told_and_may_insist(sim: Sim) -> None:
    make(sim)
    add(sim, "web-0", "web")
    add(sim, "web-1", "web")
    first, second = sim.where("web-0"), sim.where("web-1")
    with pytest.raises(ConflictError, match="may not be on host") as caught:
        sim.engine.vms.migrate("web-1", first, CALL, live=True)
    assert "web-0 is there" in caught.value.cause
    assert "--force" in caught.value.hint
    sim.engine.vms.create(template("web-2", VMGROUP="shop:web"), CALL, hold=True)
    sim.engine.vms.release("web-2", CALL)
    sim.settle()
    sim.engine.vms.migrate("web-1", first, CALL, live=True, force=True)
    sim.settle()
    assert sim.where("web-1") == first != second


def test_the_scheduler_chooses_a_target_by_the_rules(sim: Sim) -> None:
    make(sim)
    for number in range(3):
        add(sim, f"web-{number}", "web")
    with pytest.raises(CapacityError, match="no other host") as caught:
        sim.engine.vms.migrate("web-0", "", CALL, live=True)
    assert "keep apart" in caught.value.cause


def test_an_affined_role_leaves_its_host_together_when_that_is_emptied(sim: Sim) -> None:
    make(sim)
    for number in range(3):
        add(sim, f"db-{number}", "db")
    where = sim.where("db-0")
    sim.engine.hosts.evacuate(where, CALL)
    sim.settle()
    assert {sim.where(f"db-{number}") for number in range(3)} != {where}
    assert len({sim.where(f"db-{number}") for number in range(3)}) == 1


def test_who_leaves_first_looks_for_room_for_all_that_must_follow(sim: Sim) -> None:
    make(sim)
    for number in range(2):
        add(sim, f"db-{number}", "db", HOST="h1", MEMORY=20000)
    sim.add_vm("filler", HOST="h2", MEMORY=30000, CPU=0.1)
    sim.add_vm("load", HOST="h3", MEMORY=128, CPU=12)
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    assert {sim.where(f"db-{number}") for number in range(2)} == {"h3"}, "h2 is less promised, but has room for one only"


def test_a_vm_joins_changes_and_leaves(sim: Sim) -> None:
    make(sim)
    sim.add_vm("one")
    sim.engine.vms.update("one", {"VMGROUP": "shop:web"}, CALL)
    assert [(row.group_id, row.role) for row in sim.rows(VmGroupMemberRow)] == [(1, "web")]
    sim.engine.vms.update("one", {"VMGROUP": {"VMGROUP_ID": 1, "ROLE": "db"}}, CALL)
    assert [row.role for row in sim.rows(VmGroupMemberRow)] == ["db"]
    with pytest.raises(ConflictError, match="group shop has VMs"):
        sim.engine.vmgroups.remove("shop", CALL)
    sim.engine.vms.update("one", {"VMGROUP": ""}, CALL)
    assert sim.rows(VmGroupMemberRow) == []
    assert "VMGROUP" not in sim.vm("one").body["template"]
    sim.engine.vmgroups.remove("shop", CALL)


def test_a_vm_that_ends_is_in_no_group(sim: Sim) -> None:
    make(sim)
    add(sim, "one", "web")
    sim.engine.vms.terminate("one", CALL, hard=True)
    sim.settle()
    assert sim.rows(VmGroupMemberRow) == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("shop", UsageError),
        ("shop:cache", NotFoundError),
        ("stop:web", NotFoundError),
        ({"ROLE": "web"}, UsageError),
        ({"VMGROUP_ID": "77", "ROLE": "web"}, NotFoundError),
    ],
)
def test_a_role_that_is_none_is_refused(sim: Sim, given: Any, error: type[Exception]) -> None:
    make(sim)
    with pytest.raises(error):
        sim.engine.vms.create(template("one", VMGROUP=given), CALL)
    assert sim.rows(VmRow) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"roles": []},
        {"roles": [{"name": "web", "policy": "near"}]},
        {"roles": [{"name": "web,db"}]},
        {"roles": ["web"]},
        {"roles": [WEB, DB], "affined": [["web", "db"]]},
        {"roles": [DB], "affined": [["db", "web"]]},
        {"roles": [DB], "affined": [["db"]]},
        {"roles": [{"name": "a"}, {"name": "b"}], "affined": [["a", "b"]], "anti_affined": [["a", "b"]]},
        {"roles": [{"name": "a", "host_affined": ["h1"], "host_anti_affined": ["h1"]}]},
        {"roles": [DB], "colour": "red"},
    ],
)
def test_a_group_that_contradicts_itself_is_refused(sim: Sim, spec: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        sim.engine.vmgroups.create({"name": "shop", **spec}, CALL)


def test_an_update_adds_changes_and_takes_away(sim: Sim) -> None:
    make(sim)
    add(sim, "one", "web")
    sim.engine.vmgroups.update("shop", {"roles": [{"name": "web", "host_affined": ["h1", "h2"]}, {"name": "log"}]}, CALL)
    roles = sim.engine.vmgroups.show("shop").body["roles"]
    assert roles[0] == {"name": "web", "policy": "ANTI_AFFINED", "host_affined": ["h1", "h2"]}
    assert [role["name"] for role in roles] == ["web", "db", "log"]
    sim.engine.vmgroups.update("shop", {"without": ["db"]}, CALL)
    with pytest.raises(ConflictError, match="has VMs"):
        sim.engine.vmgroups.update("shop", {"without": ["web"]}, CALL)
    with pytest.raises(NotFoundError):
        sim.engine.vmgroups.update("shop", {"roles": [{"name": "log", "host_affined": ["h9"]}]}, CALL)


def test_ties_of_vms_that_run(sim: Sim) -> None:
    make(sim)
    sim.engine.vmgroups.update("shop", {"roles": [{"name": "db", "host_anti_affined": ["h3"]}]}, CALL)
    for name, role in (("web-0", "web"), ("web-1", "web"), ("db-0", "db"), ("db-1", "db")):
        add(sim, name, role)
    sim.add_vm("picky", SCHED_REQUIREMENTS="ID > 1")
    sim.add_vm("shy", SCHED_REQUIREMENTS=f"CURRENT_VMS != {sim.vm('web-0').id}")
    found = ties(sim.engine.services.store.read(), sim.rows(VmRow))
    ids = {name: sim.vm(name).id for name in ("web-0", "web-1", "db-0", "db-1", "picky", "shy")}
    assert found.together == ((ids["db-0"], ids["db-1"]),)
    assert found.apart == ((ids["web-0"], ids["web-1"]),)
    assert found.allowed == {
        ids["db-0"]: (1, 2), ids["db-1"]: (1, 2), ids["picky"]: (2, 3), ids["shy"]: (sim.vm("shy").host_id,),
    }  # fmt: skip

"""SCHED_REQUIREMENTS and SCHED_RANK in a plan, and from creation to the host in a simulated cluster."""

from __future__ import annotations

import msgspec
import pytest

from nebula.engine.scheduler.expressions import Value
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView
from nebula.engine.scheduler.wishes import wish
from nebula.errors import ConflictError, UsageError
from tests.support.sim import CALL, DRY, Sim, template, until


def host(number: int, **attributes: int | str) -> HostView:
    known: dict[str, Value] = {"ID": number, "RUNNING_VMS": 0, "CPU_USAGE": 0, "MEM_USAGE": 0, "CURRENT_VMS": (), **attributes}
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=800, memory_free=8192, vms=0, attributes=known
    )


def vm(number: int, requirements: str = "", rank: str = "") -> VmView:
    return VmView(id=number, name=f"vm{number}", cpu=100, memory=1024, requirements=requirements, rank=rank)


def placed(hosts: tuple[HostView, ...], *vms: VmView) -> list[int]:
    """The host of each VM, in their order."""
    plan = place(ClusterSnapshot(hosts=hosts, pending=vms), vms)
    found = {action.vm_id: action.host_id for action in plan.actions}
    return [found.get(item.id, 0) for item in vms]


def test_a_host_that_is_not_as_required_is_told_why() -> None:
    hosts = (host(1, RACK=1), host(2, RACK=2), host(3))
    plan = place(ClusterSnapshot(hosts=hosts, pending=()), [vm(1, "RACK > 2")])
    assert plan.unplaced[0].summary == "3 hosts: 3 not meeting SCHED_REQUIREMENTS"
    assert plan.unplaced[0].hosts == {
        "h1": "SCHED_REQUIREMENTS: RACK > 2 is false: 1",
        "h2": "SCHED_REQUIREMENTS: RACK > 2 is false: 2",
        "h3": "SCHED_REQUIREMENTS: RACK > 2 is false: the host has no RACK",
    }
    assert placed(hosts, vm(1, "RACK >= 2")) == [2]


def test_the_highest_rank_wins_and_the_policy_decides_between_equals() -> None:
    hosts = (host(1, SPEED=1), host(2, SPEED=3), host(3, SPEED=3))
    assert placed(hosts, *(vm(number, rank="SPEED") for number in range(1, 5))) == [2, 3, 2, 3]
    assert placed(hosts, vm(1, rank="-SPEED")) == [1]
    plan = place(ClusterSnapshot(hosts=hosts, pending=()), [vm(1, rank="SPEED * 10")])
    assert plan.actions[0].reason == "SCHED_RANK 30, the highest of the hosts that can take it"


def test_what_the_plan_did_already_counts() -> None:
    hosts = (host(1), host(2))
    assert placed(hosts, *(vm(number, rank="RUNNING_VMS") for number in range(1, 4))) == [1, 1, 1]
    assert placed(hosts, *(vm(number, "RUNNING_VMS < 1") for number in range(1, 4))) == [1, 2, 0]
    assert placed(hosts, *(vm(number, "MEM_USAGE < 1M & CPU_USAGE < 100") for number in range(1, 4))) == [1, 2, 0]


def test_company_counts_within_the_plan() -> None:
    hosts = (host(1), host(2), host(3))
    assert placed(hosts, vm(1), vm(2, "CURRENT_VMS = 1"), vm(3, "CURRENT_VMS != 1 & CURRENT_VMS != 2")) == [1, 1, 2]


def test_an_expression_that_cannot_be_read_holds_the_vm_and_says_so() -> None:
    hosts = (host(1),)
    plan = place(ClusterSnapshot(hosts=hosts, pending=()), [vm(1, "ID ~ 1")])
    assert "'~' means nothing here" in plan.unplaced[0].hosts["h1"]
    assert placed(hosts, vm(1, rank="ID ~ 1")) == [1], "a rank that cannot be read ranks nothing"


def test_a_snapshot_survives_json() -> None:
    snapshot = ClusterSnapshot(hosts=(host(1, RACK="a"),), pending=(vm(1, 'RACK = "a"', "ID"),))
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=ClusterSnapshot)
    assert place(again, again.pending) == place(snapshot, snapshot.pending)


def test_many_vms_cost_an_evaluation_a_host_not_a_vm(monkeypatch: pytest.MonkeyPatch) -> None:
    from nebula.engine.scheduler import wishes

    count = 0

    class Counted:
        def holds(self, attributes: object) -> bool:
            nonlocal count
            count += 1
            return False

    monkeypatch.setattr(wishes, "_readable", lambda text: Counted())
    hosts = tuple(host(number) for number in range(1, 51))
    place(ClusterSnapshot(hosts=hosts, pending=()), [vm(number, "ID > 0") for number in range(1, 101)])
    assert count == 50


def test_a_wish_has_the_vms_values_in_it() -> None:
    assert wish({"SCHED_RANK": "", "RANK": "$MEMORY", "MEMORY": 512}, "SCHED_RANK", "RANK") == "512"
    assert wish({"SCHED_REQUIREMENTS": "$NOBODY"}, "SCHED_REQUIREMENTS") == "$NOBODY"
    assert wish({}, "SCHED_REQUIREMENTS") == ""


def test_from_creation_to_the_host(sim: Sim) -> None:
    sim.engine.hosts.update("h2", {"attributes": {"SSD": "YES"}}, CALL)
    sim.engine.clusters.update("default", {"attributes": {"SITE": "berlin", "SSD": "NO"}}, CALL)
    required = 'SSD = YES & SITE = "b*" & ARCH = x86_64 & HYPERVISOR = kvm & CPU_MODEL = "Sky*" & KVM_CPU_FEATURES @> aes'
    sim.add_vm("one", SCHED_REQUIREMENTS=f'{required} & MAX_MEM = 64G & MAX_CPU = 1600 & CLUSTER = "default" & STATE = 2')
    assert sim.where("one") == "h2"
    sim.add_vm("two", RANK="ID * 10")
    assert sim.where("two") == "h3"
    sim.add_vm("three", SCHED_REQUIREMENTS=f"CURRENT_VMS = {sim.vm('two').id} | NAME = $NAME")
    assert sim.where("three") == "h3"


def test_an_expression_that_can_never_work_is_refused_at_creation(sim: Sim) -> None:
    for attribute in ("SCHED_REQUIREMENTS", "SCHED_DS_REQUIREMENTS"):
        with pytest.raises(UsageError, match=f"{attribute}: no (host|datastore) has an attribute SSDD"):
            sim.engine.vms.create(template("one", **{attribute: "SSDD = YES"}), CALL)
    for attribute in ("SCHED_RANK", "RANK", "SCHED_DS_RANK"):
        with pytest.raises(UsageError, match=f"{attribute}: expected"):
            sim.engine.vms.create(template("one", **{attribute: "1 +"}), DRY)
    with pytest.raises(UsageError, match="card 0: SCHED_RANK: no network has an attribute FREE_MEMORY"):
        sim.engine.vms.create(template("one", NIC=[{"NETWORK": "lan", "SCHED_RANK": "FREE_MEMORY"}]), CALL)


def test_an_update_is_checked_and_looked_at_again(sim: Sim) -> None:
    sim.engine.vms.create(template("one", SCHED_REQUIREMENTS="ID > 100"), CALL)
    sim.settle()
    assert sim.state("one") == "PENDING"
    with pytest.raises(UsageError, match="SSDD"):
        sim.engine.vms.update("one", {"SCHED_REQUIREMENTS": "SSDD = 1"}, CALL)
    sim.engine.vms.update("one", {"SCHED_REQUIREMENTS": "ID = 3"}, CALL)
    sim.await_state("one", "RUNNING")
    assert sim.where("one") == "h3"


def test_a_host_that_becomes_as_required_takes_the_vm(sim: Sim) -> None:
    sim.engine.hosts.update("h1", {"attributes": {"RACK": "1"}}, CALL)
    sim.engine.vms.create(template("one", SCHED_REQUIREMENTS="RACK = 2"), CALL)
    sim.settle()
    assert sim.engine.vms.describe("one").body["waiting"]["hosts"]["h1"] == "SCHED_REQUIREMENTS: RACK = 2 is false: 1"
    sim.engine.clusters.update("default", {"attributes": {"RACK": "2"}}, CALL)
    sim.await_state("one", "RUNNING")
    assert sim.where("one") in {"h2", "h3"}, "the host's own attribute wins over its cluster's"


def test_measured_values_are_looked_at_again_by_themselves(sim: Sim) -> None:
    sim.restart(msgspec.structs.replace(sim.settings, schedule_again=0.05))
    sim.engine.vms.create(template("one", SCHED_REQUIREMENTS="USED_MEMORY >= 4G"), CALL)
    sim.settle()
    assert sim.state("one") == "PENDING"
    row = sim.host("h2")

    def measured_and_placed() -> bool:  # again and again: the engine's own first looks may write, too
        sim.engine.services.store.write(lambda tx: tx.execute('UPDATE "host" SET "memory_used"=8192 WHERE "id"=?', (row.id,)))
        return sim.where("one") == "h2"

    until(measured_and_placed, "the VM's host")


def test_a_migration_goes_only_where_it_is_required(sim: Sim) -> None:
    sim.add_vm("one", SCHED_REQUIREMENTS="ID != 2", SCHED_RANK="-ID")
    assert sim.where("one") == "h1"
    sim.engine.vms.migrate("one", "", CALL, live=True)
    sim.settle()
    assert sim.where("one") == "h3"


def test_company_is_asked_again_when_the_plan_is_carried_out(sim: Sim) -> None:
    sim.add_vm("first")
    first, where = sim.vm("first"), sim.where("first")
    sim.engine.vms.create(template("second", SCHED_REQUIREMENTS=f"CURRENT_VMS != {first.id}"), CALL, hold=True)
    from nebula.engine.local.booking import require_company

    def carry_out(name: str) -> None:
        sim.engine.services.store.write(lambda tx: require_company(tx, sim.vm("second"), sim.host(name)))

    with pytest.raises(ConflictError, match=f"CURRENT_VMS != {first.id} is false"):
        carry_out(where)
    carry_out(next(name for name in ("h1", "h2", "h3") if name != where))

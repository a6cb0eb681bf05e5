"""Scheduled actions on a small cluster: done when they are due, once, by whichever engine is there."""

from __future__ import annotations

import pytest

from nebula.engine.api.schedules import SCHEDULABLE
from nebula.engine.api.values import Call, Detail, Query
from nebula.engine.local.rules import RULES
from nebula.engine.schedules.actions import ACTIONS
from nebula.engine.store.rows import EventRow, JobRow, ScheduleRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError
from tests.support.sim import CALL, DRY, Sim, until


def schedule(sim: Sim, action: str, time: str = "now", vm: str = "web", **spec: str) -> int:
    """Its id."""
    return sim.engine.schedules.create(vm, {"action": action, "time": time, **spec}, CALL).id


def shown(sim: Sim, number: int) -> Detail:
    """As it is told."""
    return sim.engine.schedules.show(str(number))


def jobs(sim: Sim, kind: str) -> int:
    """How many there were."""
    return len(sim.rows(JobRow, '"kind"=?', (kind,)))


def over(sim: Sim, number: int) -> None:
    """Wait until it was carried out, well or not."""
    until(lambda: shown(sim, number).body["runs"], "the action")


def test_every_name_is_a_verb_with_a_right() -> None:
    assert tuple(ACTIONS) == SCHEDULABLE
    assert all(RULES["vms"][action.verb].right for action in ACTIONS.values())


def test_it_is_done_when_it_is_due_and_told(sim: Sim) -> None:
    sim.add_vm("web")
    soon, late = schedule(sim, "poweroff-hard", "+1s"), schedule(sim, "resume", "+1h", name="morning")
    assert sim.state("web") == "RUNNING"
    until(lambda: sim.state("web") == "POWEROFF", "the action")
    over(sim, soon)
    assert shown(sim, soon).body["at"] is None
    assert shown(sim, late).name == "morning"
    rows = sim.engine.schedules.list(Query(columns=("name", "vm", "action", "message"))).rows
    assert rows == [[f"poweroff-hard-{soon}", "web", "poweroff-hard", ""], ["morning", "web", "resume", ""]]
    told = [event.kind for event in sim.rows(EventRow) if event.object_kind == "schedule" and event.object_id == soon]
    assert told == ["schedule.created", "schedule.done"]


def test_of_two_engines_one_does_it(sim: Sim) -> None:
    """What was due while nobody was there is done by the next one; what is done already, is not done again."""
    sim.add_vm("web")
    number = schedule(sim, "reboot", "+1s")
    sim.restart()
    over(sim, number)
    sim.settle()
    sim.restart()
    sim.settle()
    assert jobs(sim, "vm.reboot") == 1
    assert shown(sim, number).body["runs"] == 1


def test_an_engine_that_died_before_it_noted_what_it_did(sim: Sim) -> None:
    sim.add_vm("web")
    number = schedule(sim, "reboot", "+1h")
    [row] = sim.rows(ScheduleRow)
    sim.engine.vms.reboot(str(row.vm_id), Call(actor=row.actor, key=f"schedule-{number}-0"))
    sim.settle()
    sim.engine.services.store.write(lambda tx: tx.swap(tx.get(ScheduleRow, number), at=tx.now - 5))
    sim.restart()
    over(sim, number)
    assert jobs(sim, "vm.reboot") == 1


def test_one_that_repeats_is_due_again(sim: Sim) -> None:
    sim.add_vm("web")
    number = schedule(sim, "reboot", repeat="hourly", days="1", end_type="1", end_value="2")
    over(sim, number)
    sim.settle()
    left = shown(sim, number).body["at"] - sim.engine.services.clock.now()
    assert 3500 < left <= 3600
    sim.engine.services.store.write(lambda tx: tx.swap(tx.get(ScheduleRow, number), at=tx.now - 5))
    sim.restart()
    until(lambda: shown(sim, number).body["runs"] == 2, "the second time")
    assert shown(sim, number).body["at"] is None
    sim.settle()
    assert jobs(sim, "vm.reboot") == 2


def test_what_cannot_be_done_says_why(sim: Sim) -> None:
    sim.add_vm("web")
    number = schedule(sim, "release")
    over(sim, number)
    body = shown(sim, number).body
    assert "release" in body["message"]
    assert body["at"] is None
    assert sim.state("web") == "RUNNING"


def test_it_waits_while_the_vm_has_a_job(sim: Sim) -> None:
    sim.add_vm("web")
    sim.world.guests.order(sim.vm("web").uuid, ignores_shutdown=True)
    sim.engine.vms.poweroff("web", CALL)
    number = schedule(sim, "reboot")
    until(lambda: number in sim.engine._schedules._later, "that it waits")
    assert shown(sim, number).body["runs"] == 0
    assert shown(sim, number).body["message"] == ""


def test_a_template_orders_them_and_they_go_with_the_vm(sim: Sim) -> None:
    action = {"ACTION": "terminate-hard", "TIME": "+1"}
    later = {"ACTION": "poweroff", "TIME": "+1h", "REPEAT": "0", "DAYS": "1,5"}
    vm = sim.add_vm("web", SCHED_ACTION=[action, later])
    assert [row.action for row in sim.rows(ScheduleRow)] == ["terminate-hard", "poweroff"]
    until(lambda: sim.engine.vms.list(Query(filters=(("id", "=", str(vm.id)),))).rows == [], "the end of the VM")
    sim.settle()
    assert sim.rows(ScheduleRow) == []


def test_it_is_changed_and_taken_away(sim: Sim) -> None:
    sim.add_vm("web")
    number = schedule(sim, "poweroff", "+1h")
    sim.engine.schedules.update(str(number), {"time": "+2h", "repeat": "weekly", "days": "0,1,2,3,4,5,6"}, CALL)
    body = shown(sim, number).body
    assert (body["repeat"], body["days"]) == ("weekly", [0, 1, 2, 3, 4, 5, 6])
    due = body["at"]
    sim.engine.schedules.update(str(number), {"name": "nightly"}, CALL)
    assert shown(sim, number).body["at"] == int(due)
    sim.engine.schedules.update("nightly", {"repeat": ""}, CALL)
    assert shown(sim, number).body["repeat"] == ""
    with pytest.raises(UsageError):
        sim.engine.schedules.update("nightly", {"action": "reboot"}, CALL)
    sim.engine.schedules.remove("nightly", CALL)
    with pytest.raises(NotFoundError):
        shown(sim, number)


def test_what_is_over_can_only_get_a_new_time(sim: Sim) -> None:
    sim.add_vm("web")
    number = schedule(sim, "release")
    over(sim, number)
    with pytest.raises(ConflictError):
        sim.engine.schedules.update(str(number), {"args": ""}, CALL)
    sim.engine.schedules.update(str(number), {"time": "+1h"}, CALL)
    assert shown(sim, number).body["at"] is not None


def test_nothing_is_made_of_a_mistake(sim: Sim) -> None:
    sim.add_vm("web")
    for spec in ({"action": "explode", "time": "now"}, {"action": "reboot", "time": "yesterday"}, {"action": "reboot"}):
        with pytest.raises(UsageError):
            sim.engine.schedules.create("web", spec, CALL)
    with pytest.raises(NotFoundError):
        schedule(sim, "reboot", vm="nobody")
    sim.engine.schedules.create("web", {"action": "reboot", "time": "+1h"}, DRY)
    assert sim.rows(ScheduleRow) == []


def test_there_is_an_end_to_how_many(sim: Sim) -> None:
    sim.add_vm("web")
    for _ in range(100):
        schedule(sim, "reboot", "+1h")
    with pytest.raises(CapacityError):
        schedule(sim, "reboot", "+1h")


def test_snapshots_are_made_and_deleted_by_name(sim: Sim) -> None:
    """OpenNebula's arguments of a disk's snapshot: the disk, and the snapshot."""
    sim.add_vm("web", DISK=[{"IMAGE": "base", "FORMAT": "qcow2"}])
    over(sim, schedule(sim, "disk-snapshot-create", args="0,nightly"))
    sim.settle()
    assert [row[1] for row in sim.engine.vms.disk_snapshots("web", "0").rows] == ["nightly"]
    over(sim, schedule(sim, "disk-snapshot-delete", args="vda nightly"))
    sim.settle()
    assert sim.engine.vms.disk_snapshots("web", "0").rows == []
    over(sim, schedule(sim, "snapshot-create", args="whole"))
    sim.settle()
    assert [row[1] for row in sim.engine.vms.snapshots("web").rows] == ["whole"]

"""A VM gets the actions that a template orders."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.store.rows import ScheduleRow
from nebula.errors import ConflictError, NebulaError, NotFoundError
from tests.support.sim import CALL, DRY, Sim

LEASE: dict[str, Any] = {
    "NAME": "lease",
    "SCHED_ACTION": [{"ACTION": "suspend", "TIME": "+14d"}, {"ACTION": "terminate", "TIME": "+28d", "WARNING": "-86400"}],
}


def actions(sim: Sim) -> list[str]:
    return [row.action for row in sim.rows(ScheduleRow)]


def test_times_count_from_now(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    sim.engine.templates.create(LEASE, CALL)
    assert "suspend, terminate" in sim.engine.schedules.charter("one", "lease", DRY).would[0]
    assert actions(sim) == []
    sim.engine.schedules.charter("one", "lease", CALL)
    assert actions(sim) == ["suspend", "terminate"]
    first, second = sim.rows(ScheduleRow)
    assert second.at - first.at == 14 * 86_400
    assert first.vm_id == sim.vm("one").id


def test_without_a_name_it_is_the_vms_own_template(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    with pytest.raises(ConflictError, match="no stored template"):
        sim.engine.schedules.charter("one", "", CALL)
    sim.engine.templates.create({"NAME": "plain", "MEMORY": "64"}, CALL)
    sim.engine.templates.instantiate("plain", CALL, "two", hold=True)
    with pytest.raises(ConflictError, match="orders no actions"):
        sim.engine.schedules.charter("two", "", CALL)
    sim.engine.templates.update("plain", {"SCHED_ACTION": {"ACTION": "poweroff", "TIME": "+1h"}}, CALL, append=True)
    sim.engine.schedules.charter("two", "", CALL)
    assert actions(sim) == ["poweroff"]


def test_one_that_makes_no_sense_schedules_nothing(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    broken = {"NAME": "broken", "SCHED_ACTION": [LEASE["SCHED_ACTION"][0], {"ACTION": "explode", "TIME": "+1h"}]}
    sim.engine.templates.create(broken, CALL)
    with pytest.raises(NebulaError):
        sim.engine.schedules.charter("one", "broken", CALL)
    with pytest.raises(NotFoundError):
        sim.engine.schedules.charter("one", "nothing", CALL)
    assert actions(sim) == []

"""Scheduled actions of a VM as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula import typed
from nebula.engine.schedules.plan import Plan, plan_of
from nebula.engine.store.rows import ScheduleRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError
from nebula.names import check_name

ATTRIBUTE = "SCHED_ACTION"
"""Of a template: actions that its VMs get when they are created, with times that count from then."""
MOST = 100
"""Actions of a VM that are not due yet."""
_REMEMBERED = 20
"""Actions of a VM that are over and still shown."""


def add(tx: Transaction, vm: VmRow, given: Mapping[str, Any], actor: str) -> ScheduleRow:
    """One more. UsageError for what cannot be meant, CapacityError for too many."""
    plan = plan_of(given, tx.now)
    if tx.count(ScheduleRow, '"vm_id"=? AND "at">0', (vm.id,)) >= MOST:
        raise CapacityError(f"VM {vm.name} has {MOST} actions to come already", hint="nebula schedule list")
    row = tx.insert(
        ScheduleRow(vm_id=vm.id, action=plan.action, at=plan.at, repeat=words(plan), actor=actor, body=body_of(plan))
    )
    name = str(given.get("NAME", "") or "")
    tx.swap(row, name=check_name("schedule", name) if name else f"{plan.action}-{row.id}")
    tx.event("schedule.created", "schedule", row.id, actor=actor, name=row.name, vm=vm.id, action=plan.action, at=plan.at)
    return row


def add_all(tx: Transaction, vm: VmRow, template: Mapping[str, Any], actor: str) -> list[str]:
    """Those that the VM's template orders; the actions."""
    given = template.get(ATTRIBUTE) or ()
    return [add(tx, vm, vector, actor).action for vector in ([given] if isinstance(given, Mapping) else given)]


def forget(tx: Transaction, vm_id: int) -> None:
    """A VM that is gone has none."""
    tx.execute('DELETE FROM "schedule" WHERE "vm_id"=?', (vm_id,))


def thin_out(tx: Transaction, vm_id: int) -> None:
    """Of what is over, only the newest stay."""
    over: Sequence[ScheduleRow] = tx.select(ScheduleRow, '"vm_id"=? AND "at"=0 ORDER BY "done" DESC, "id" DESC', (vm_id,))
    for row in over[_REMEMBERED:]:
        tx.delete(row)


def plan_in(row: ScheduleRow) -> Plan:
    """The plan of a stored action."""
    return typed.convert(row.body, Plan)


def body_of(plan: Plan) -> dict[str, Any]:
    """As it is stored."""
    return {**msgspec.to_builtins(plan), "days": list(plan.days)}


def words(plan: Plan) -> str:
    """How it repeats, for people: `weekly 1,5, 10 times`; empty for once."""
    if not plan.repeat:
        return ""
    days = ",".join(map(str, plan.days))
    text = f"every {days} h" if plan.repeat == "hourly" else f"{plan.repeat} {days}"
    return text + (f", {plan.times} times" if plan.times else "")

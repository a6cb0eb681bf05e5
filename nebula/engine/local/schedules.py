"""Scheduled actions of the façade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.api.values import Accepted, Call, Detail
from nebula.engine.local.access import require
from nebula.engine.local.base import Noun, resolve, usable
from nebula.engine.local.rules import right_to
from nebula.engine.machines.template import regular
from nebula.engine.schedules.keep import add, add_all, body_of, plan_in, words
from nebula.engine.schedules.plan import as_given, plan_of
from nebula.engine.store.rows import ScheduleRow, TemplateRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, UsageError
from nebula.names import check_name


class LocalSchedules(Noun):
    """See nebula.engine.api.verbs.Schedules."""

    noun = "schedule"

    def show(self, ref: str) -> Detail:
        """See Schedules.show."""
        queries = self._store.read()
        row = resolve(queries, ScheduleRow, ref)
        vm = queries.first(VmRow, '"id"=?', (row.vm_id,))
        body = {
            "id": row.id,
            "name": row.name,
            "vm": vm.name if vm else None,
            "vm_id": row.vm_id,
            **{key: value for key, value in body_of(plan_in(row)).items() if key != "at"},
            "at": row.at or None,
            "done": row.done or None,
            "runs": row.runs,
            "message": row.message,
            "actor": row.actor,
        }
        return Detail(kind="schedule", id=row.id, name=row.name, body=body)

    def create(self, ref: str, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Schedules.create."""
        given = _upper(spec)

        def work(tx: Transaction) -> Accepted:
            vm = usable(tx, VmRow, ref, self.person)
            row = add(tx, vm, given, call.actor)
            require(self.person, vm, right_to(row.action), vm.name)
            return Accepted(kind="schedule", id=row.id, name=row.name)

        return self._change(call, work)

    def charter(self, ref: str, template: str, call: Call) -> Accepted:
        """See Schedules.charter."""

        def work(tx: Transaction) -> Accepted:
            vm = usable(tx, VmRow, ref, self.person)
            if not template and vm.template_id < 0:
                raise ConflictError(
                    f"VM {vm.name} ({vm.id}) was made of no stored template",
                    hint=f"nebula vm create-chart {vm.id} --template TEMPLATE",
                )
            source = usable(tx, TemplateRow, template or str(vm.template_id), self.person)
            actions = add_all(tx, vm, regular(source.body["template"]), call.actor)
            if not actions:
                raise ConflictError(
                    f"template {source.name} ({source.id}) orders no actions",
                    hint='SCHED_ACTION=[ ACTION="suspend", TIME="+14d" ] in it does',
                )
            for action in actions:
                require(self.person, vm, right_to(action), vm.name)
            would = (f"schedule {', '.join(actions)} for VM {vm.name} ({vm.id})",)
            return Accepted(kind="vm", id=vm.id, name=vm.name, would=would if call.dry_run else ())

        return self._change(call, work)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Schedules.update."""
        given = _upper(changes)
        if "ACTION" in given:
            raise UsageError("the action of a schedule stays what it is", hint="nebula schedule create VM ACTION TIME")

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ScheduleRow, ref)
            if row.at == 0 and "TIME" not in given:
                raise ConflictError(f"schedule {row.name} is over", hint=f"nebula schedule update {row.id} --time +1h")
            before = as_given(plan_in(row), max(row.at, tx.now))
            dropped = {"DAYS"} if "REPEAT" in given else set()
            plan = plan_of({**{key: value for key, value in before.items() if key not in dropped}, **given}, tx.now)
            name = check_name("schedule", str(given.get("NAME") or row.name))
            tx.swap(row, name=name, at=plan.at, repeat=words(plan), body=body_of(plan))
            return self._told(tx, row, "updated", call, changed=sorted(given))

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """See Schedules.remove."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, ScheduleRow, ref)
            tx.delete(row)
            return self._told(tx, row, "removed", call)

        return self._change(call, work)


def _upper(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).upper(): value for key, value in spec.items()}

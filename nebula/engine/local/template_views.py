"""A template as people look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from nebula.engine.api.values import Detail
from nebula.engine.local.access import belongs, permitted
from nebula.engine.machines.machine import machine_of
from nebula.engine.people import Person
from nebula.engine.secrets import HIDDEN, hide_template
from nebula.engine.store.rows import TemplateRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.engine.templates.instance import GROWING
from nebula.model.template import Template, UserInput, merged, read_inputs

_MOST = 100
"""VMs of a template that are named."""


def show(queries: Queries, row: TemplateRow, person: Person) -> Detail:
    """See Templates.show."""
    template: Template = row.body["template"]
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        **belongs(row),
        "created": row.created,
        "changed": row.changed,
        "inputs": [_input(item) for item in read_inputs(template)],
        "vms": _vms(queries, row, person),
        "template": hide_template(template),
    }
    return Detail(kind="template", id=row.id, name=row.name, body=body)


def _input(item: UserInput) -> dict[str, Any]:
    found = msgspec.to_builtins(item)
    return {**found, "options": list(item.options), "default": HIDDEN if item.secret and item.default else item.default}


def _vms(queries: Queries, row: TemplateRow, person: Person) -> list[str]:
    """Names and ids of those that the person may use."""
    allowed = permitted(person, "vm")
    rows = queries.rows(
        f'SELECT "id", "name" FROM "vm" WHERE "template_id"=? AND "state"<>6 AND {allowed.sql} ORDER BY "id" LIMIT {_MOST}',
        (row.id, *allowed.parameters),
    )
    return [f"{name} ({vm_id})" for vm_id, name in rows]


def explanation(template: Template, extra: Template) -> dict[str, Any]:
    """What is done with each attribute."""
    whole = hide_template(merged(template, extra, grow=GROWING))
    return {"attributes": list(_told(whole))}


def _told(template: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    from nebula.engine.templates.knowledge import known

    for name, value in template.items():
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items):
            where = f"{name} {number}" if len(items) > 1 else name
            parts = item if isinstance(item, Mapping) else {"": item}
            for key, part in parts.items():
                status, note = known(name, key)
                yield {
                    "attribute": f"{where}/{key}" if key else where, "value": str(part), "status": status, "note": note
                }  # fmt: skip


def prospect(queries: Queries, vm: VmRow) -> dict[str, Any]:
    """What a VM of it would be, and where it could run."""
    from nebula.engine.scheduler.explain import explain as explained
    from nebula.engine.scheduler.snapshot import around

    machine = machine_of(vm)
    snapshot = around(queries, vm)
    found = explained(snapshot, snapshot.pending[0])
    return {
        "vm": {
            "name": vm.name,
            "cpu": vm.cpu / 100,
            "vcpus": vm.vcpus,
            "memory_mib": vm.memory,
            "disks": [
                {
                    "disk_id": disk.disk_id, "kind": disk.kind, "image": disk.image_name or None, "format": disk.format,
                    "size": disk.size or (disk.image.size if disk.image else 0), "target": disk.target,
                }
                for disk in machine.disks
            ],
            "nics": [
                {"nic_id": nic.nic_id, "network": nic.network, "model": nic.model, "ip": nic.ip or nic.ip6}
                | ({"aliases": [alias.ip or alias.ip6 for alias in nic.aliases]} if nic.aliases else {})
                for nic in machine.nics
            ],
        },
        "hosts": [msgspec.to_builtins(verdict) for verdict in found.hosts],
        "mend": list(found.mend),
    }  # fmt: skip

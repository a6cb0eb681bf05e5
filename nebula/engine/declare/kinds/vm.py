"""VMs as documents say: the YAML of `vm create FILE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nebula.attributes import complete
from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind
from nebula.engine.declare.kinds import adopted, cards, disks
from nebula.engine.declare.kinds.adopted import ADOPT
from nebula.engine.declare.kinds.cards import CARDS
from nebula.engine.declare.values import Document, upper, with_secrets
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import BOOT_FAILURE, PROLOG_FAILURE
from nebula.engine.local.creation import DEFAULT_MEMORY_MIB
from nebula.engine.local.vm_definition import FIXED
from nebula.engine.machines.disks import MAX_DISK_MIB
from nebula.engine.machines.machine import machine_of
from nebula.engine.machines.template import LISTS, VECTORS, hundredths, mebibytes, regular
from nebula.engine.scheduler.membership import GROUP
from nebula.engine.secrets import hide_template
from nebula.engine.store.rows import ClusterRow, HostRow, ImageRow, NetworkRow, VmGroupRow, VmRow
from nebula.engine.store.rows.base import Row
from nebula.engine.store.transaction import Queries

_SIZES = frozenset({"CPU", "VCPU", "MEMORY"})
_NAMED: tuple[tuple[str, type[Row]], ...] = (("CLUSTER", ClusterRow), ("HOST", HostRow))


class Vms(Kind):
    """OpenNebula's attributes, all that there are: what a document does not name is taken away. One that was adopted says so by
    ADOPT, and is let go of where another one would be terminated.
    """

    name = "vm"
    row = VmRow
    live = '"state"<>6'
    settings = frozenset()
    fixed = FIXED - _SIZES - CARDS - {disks.DISK} | {ADOPT}
    whole = True

    def document(self, queries: Queries, row: VmRow) -> Document:
        """See Kind."""
        machine = machine_of(row)
        if machine.adopted is not None:
            return adopted.document(queries, row, machine)
        return {**machine.template, **cards.present(machine), **disks.present(machine)}

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind: defaults filled in, sizes in MiB, objects by their names."""
        given = {key: item for key, item in upper(document).items() if key not in {"NAME", "KIND"}}
        if ADOPT in given:
            return adopted.canonical(queries, given, row)
        template = _complete(given)
        template["CPU"] = f"{hundredths(template, 'CPU', 1) / 100:g}"
        template["MEMORY"] = mebibytes(template, "MEMORY", DEFAULT_MEMORY_MIB)
        for name, kind in _NAMED:
            ref = template.pop(f"{name}_ID", template.get(name))
            if ref is not None:
                template[name] = _name(queries, kind, ref)
        if template.get(GROUP):
            template[GROUP] = _membership(queries, template[GROUP])
        template["DISK"] = [_disk(queries, item) for item in template.get("DISK", [])]
        for name in ("NIC", "NIC_ALIAS"):
            template[name] = [_with_name(queries, item, "NETWORK", NetworkRow) for item in template.get(name, [])]
        template["NIC_ALIAS"] = cards.arranged(template["NIC"], template["NIC_ALIAS"])
        return {key: value for key, value in template.items() if value not in (None, "", [], {})}

    def hidden(self, document: Document) -> Document:
        """See Kind."""
        shown: Document = hide_template(document)
        return shown

    def refused(self, before: Document, after: Document) -> str:
        """See Kind."""
        foreign = sorted({disks.DISK, *CARDS} & after.keys()) if ADOPT in before else ()
        return f"{foreign[0].lower()} of an adopted vm is its domain's" if foreign else disks.refused(before, after)

    def trouble(self, row: VmRow) -> str:
        """See Kind."""
        place = place_of(row)
        return place.name if place in {PROLOG_FAILURE, BOOT_FAILURE} else ""

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        template = upper({key: value for key, value in document.items() if key not in {"kind", "name"}})
        if ADOPT in template:
            return _adopt(engine, template, document["name"], calls)
        return engine.vms.create({**_complete(template), "NAME": document["name"]}, next(calls))

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        whole = with_secrets(before, after, self.hidden(before))
        given = {key: whole[key] if key in after else _nothing(key) for key in changed - CARDS - {disks.DISK}}
        if "CONTEXT" in changed:  # which is changed key by key
            old, new, shown = before.get("CONTEXT", {}), after.get("CONTEXT", {}), self.hidden(before).get("CONTEXT", {})
            given["CONTEXT"] = {**{key: "" for key in old if key not in new and old[key] == shown[key]}, **new}
        sizes = {key: given.pop(key) for key in sorted(changed & _SIZES)}
        accepted = Accepted(kind=self.name, id=row.id, name=row.name)
        if given:
            accepted = engine.vms.update(str(row.id), given, next(calls))
        if sizes and not accepted.job_id:  # the next look finds what is left
            accepted = engine.vms.resize(str(row.id), sizes, next(calls))
        if disks.DISK in changed and not accepted.job_id:
            accepted = disks.change(engine, row.id, machine_of(row), before, after, next(calls))
        if changed & CARDS and not accepted.job_id:
            accepted = cards.change(engine, row.id, machine_of(row), before, after, next(calls)) or accepted
        return accepted

    def mend(self, engine: Engine, row: Any, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind: deploy it once more."""
        return engine.vms.recover(str(row.id), "retry", next(calls))

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind: what somebody else made goes on."""
        if machine_of(row).adopted is not None:
            return engine.vms.disown(str(row.id), call)
        return engine.vms.terminate(str(row.id), call)


def _complete(template: Document) -> Document:
    """A VM that says nothing of its memory has what such a one gets, and says so from then on."""
    return {"MEMORY": DEFAULT_MEMORY_MIB, **complete(regular(template))}


def _adopt(engine: Engine, template: Document, name: str, calls: Iterator[Call]) -> Accepted:
    """Take the domain under management, then say of it what the document does; what is left out, the next look finds."""
    rest = regular({key: item for key, item in template.items() if key != ADOPT})
    host, domain = adopted.source(template[ADOPT])
    call = next(calls)
    accepted = engine.vms.adopt(host, domain, call, name)
    if rest and not call.dry_run:
        engine.vms.update(str(accepted.id), rest, next(calls))
    return accepted


def _membership(queries: Queries, given: Any) -> Document:
    """VMGROUP by names, however it is written; what makes no sense is left for the verb to refuse."""
    if isinstance(given, Mapping):
        ref, role = given.get("VMGROUP_NAME") or given.get("VMGROUP_ID", ""), given.get("ROLE", "")
    else:
        ref, _, role = str(given).partition(":")
    return {"VMGROUP_NAME": _name(queries, VmGroupRow, ref), "ROLE": str(role)}


def _nothing(key: str) -> Any:
    return [] if key in LISTS else {} if key in VECTORS else ""


def _disk(queries: Queries, item: Document) -> Document:
    found = _with_name(queries, item, "IMAGE", ImageRow)
    if "IMAGE" not in found:
        found = {"TYPE": "fs", **found}
    return {**found, "SIZE": mebibytes(found, "SIZE", 0, MAX_DISK_MIB)} if found.get("SIZE") else found


def _with_name(queries: Queries, item: Document, key: str, kind: type[Row]) -> Document:
    ref = item.get(f"{key}_ID", item.get(key))
    rest = {name: value for name, value in item.items() if name not in {key, f"{key}_ID"}}
    return rest if ref is None else {key: _name(queries, kind, ref), **rest}


def _name(queries: Queries, kind: type[Row], ref: Any) -> str:
    """The name of what an id means; one that is not there yet is a name."""
    text = str(ref)
    if text.isascii() and text.isdecimal() and len(text) < 19:
        found: Any = queries.first(kind, '"id"=?', (int(text),))
        return str(found.name) if found is not None else text
    return text

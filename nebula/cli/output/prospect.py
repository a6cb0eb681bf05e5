"""What would become of a template, for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula.cli.output.formats import Field, Table, grid
from nebula.cli.output.sentences import mend, verdict
from nebula.cli.output.text import printable
from nebula.units import format_size

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.engine.api.values import Detail

_FIELDS = (Field("attribute", "ATTRIBUTE"), Field("value", "VALUE"), Field("status", "WHAT"), Field("note", "NOTE"))
_LONGEST = 40
"""Characters of a value that are shown."""


def prospect(context: Context, detail: Detail) -> Iterator[str]:
    """Attribute by attribute, then the VM, then the hosts."""
    body = detail.body
    name = f"{printable(detail.name)} ({detail.id})" if detail.id else printable(detail.name)
    yield f"Template {name}, attribute by attribute:"
    rows = [[_short(str(item[field.name])) for field in _FIELDS] for item in body["attributes"]]
    yield from grid(Table(_FIELDS, rows), context.now()).lines(context.width(), coloured=context.colours(context.out))
    yield ""
    problem = body.get("problem")
    if problem:
        yield "No VM can be made of it:"
        for key, label in (("message", "What is wrong"), ("cause", "Why"), ("hint", "What to do")):
            if problem.get(key):
                yield f"  {label}: {printable(str(problem[key]))}"
        return
    yield from _vm(body["vm"])
    for host in body.get("hosts") or ():
        yield from verdict(host)
    yield from mend(body.get("mend"))


def _short(text: str) -> str:
    line = printable(text.replace("\n", " "))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _vm(vm: Mapping[str, Any]) -> Iterator[str]:
    size = f"{vm['cpu']:g} cores, {vm['vcpus']} vCPUs and {vm['memory_mib']} MiB"
    yield f"A VM of it would be called {printable(str(vm['name']))}, with {size}:"
    yield from _disks(vm["disks"])
    for nic in vm["nics"]:
        yield f"  card {nic['nic_id']}: {printable(str(nic['network']))}, {nic['model']}, {', '.join(_addresses(nic))}"
    yield "Where it could run:"


def _addresses(nic: Mapping[str, Any]) -> list[str]:
    return [nic["ip"] or "no address", *nic.get("aliases", ())]


def _disks(disks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for disk in disks:
        made = f"of image {printable(str(disk['image']))}" if disk["image"] else "empty"
        yield f"  disk {disk['disk_id']} ({disk['target']}): {format_size(int(disk['size']))} {disk['format']}, {made}"

"""nebula host import, vm adopt, vm disown: domains that somebody else made become VMs, and are let go of again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.objects import resolve_one
from nebula.cli.output.formats import Field, Table
from nebula.cli.output.text import printable
from nebula.cli.verbs.common import print_rows
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call, Detail
    from nebula.engine.api.verbs import Engine

_FIELDS = (
    Field("name", "NAME"),
    Field("state", "STATE"),
    Field("vcpus", "VCPUS", "number"),
    Field("memory", "MEMORY", "mib"),
    Field("disks", "DISKS"),
    Field("networks", "NETWORKS"),
    Field("refused", "NOT ADOPTABLE"),
    Field("uuid", "UUID"),
)


def adopt(context: Context, line: Invocation) -> int:
    """Take one domain under management."""
    host, domain = line.text("host"), line.text("domain")
    name = check_name("vm", line.text("name")) if line.text("name") else ""

    def act(engine: Engine, _name: str, call: Call) -> Accepted:
        return engine.vms.adopt(host, domain, call, name)

    return make(context, line, [name or domain], act, done="adopted")


def disown(context: Context, line: Invocation) -> int:
    """Let go of adopted VMs."""
    return each(context, line, lambda engine, ref, call: engine.vms.disown(ref, call), done="disowned")


def import_domains(context: Context, line: Invocation) -> int:
    """List the domains of a host that are no VMs, or adopt them."""
    if line.flag("all"):
        return _adopt_all(context, line)
    with context.reader() as engine:
        host = resolve_one(engine, "host", line.text("ref"))
        found = engine.hosts.domains(host.ref)
    print_rows(context, Table(_FIELDS, [_row(item.body) for item in found]), line.text("format"), empty="nothing to import")
    if any(not item.body["refused"] for item in found) and not line.text("format"):
        context.say(f"nebula host import {host.name} --all adopts them; nebula vm adopt {host.name} DOMAIN [NAME] one")
    return 0


def _adopt_all(context: Context, line: Invocation) -> int:
    if line.text("format"):
        raise UsageError("--all lists nothing that --format could print", hint="leave one of them out")
    with context.reader() as engine:
        host = resolve_one(engine, "host", line.text("ref"))
        found: list[Detail] = engine.hosts.domains(host.ref)
    if not found:
        context.say("nothing to import")
        return 0
    uuids = {item.name: str(item.body["uuid"]) for item in found}

    def act(engine: Engine, name: str, call: Call) -> Accepted:
        return engine.vms.adopt(host.ref, uuids[name], call)

    return make(context, line, list(uuids), act, done="adopted")


def _row(body: Mapping[str, Any]) -> list[Any]:
    disks = ", ".join(f"{disk['target']} {disk['path'] or '(empty)'}" for disk in body["disks"])
    cards = ", ".join(f"{card['source'] or card['type']} {card['mac']}" for card in body["cards"])
    return [
        body["name"], body["state"], body["vcpus"], body["memory_mib"], disks, cards, body["refused"], body["uuid"],
    ]  # fmt: skip


def deletes_disks(context: Context, line: Invocation, engine: Engine, ref: str) -> bool:
    """Whether the disks of a VM that is terminated go with it, if it was adopted: never unless somebody says so."""
    if line.flag("delete_disks") and line.flag("keep_disks"):
        raise UsageError("--delete-disks and --keep-disks contradict each other", hint="leave one of them out")
    if line.flag("delete_disks") or line.flag("keep_disks"):
        return line.flag("delete_disks")
    adopted = engine.vms.show(ref).body.get("adopted")
    files = [disk["path"] for disk in (adopted or {}).get("disks", []) if _is_own_file(disk)]
    if not files:
        return False
    words = printable(", ".join(files))
    if not (sys.stdin.isatty() and context.err.isatty()):
        context.say(f"vm {ref} was adopted: its disks stay ({words}); --delete-disks deletes them")
        return False
    print(f"vm {ref} was adopted. Delete its disks, too ({words})? Type yes, or no: ", end="", file=context.err, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def _is_own_file(disk: Mapping[str, Any]) -> bool:
    return (disk.get("type", "file"), disk.get("device", "disk")) == ("file", "disk") and not disk.get("readonly")

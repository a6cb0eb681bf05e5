"""The commands of `nebula cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.cli.verbs.common import assignments
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def create(context: Context, line: Invocation) -> int:
    """Create clusters."""
    names = [check_name("cluster", name) for name in line.texts("names")]
    return make(context, line, names, lambda engine, name, call: engine.clusters.create(name, call))


def update(context: Context, line: Invocation) -> int:
    """Change settings and attributes."""
    changes: dict[str, Any] = {}
    if line.has("migration_tunnel"):
        changes["migration_tunnel"] = line.text("migration_tunnel")
    if line.has("migration_bandwidth"):
        changes["migration_bandwidth"] = line.number("migration_bandwidth")
    if line.has("set"):
        changes["attributes"] = assignments(line.texts("set"))
    if not changes:
        raise UsageError("cluster update changes nothing", hint="add --migration-tunnel or --set KEY=VALUE")
    return each(context, line, lambda engine, ref, call: engine.clusters.update(ref, changes, call), done="updated")

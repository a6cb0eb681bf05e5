"""The commands of `nebula cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.changes import make
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def create(context: Context, line: Invocation) -> int:
    """Create clusters."""
    names = [check_name("cluster", name) for name in line.texts("names")]
    return make(context, line, names, lambda engine, name, call: engine.clusters.create(name, call))

"""The commands of `nebula datastore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import make
from nebula.cli.verbs.common import given
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def create(context: Context, line: Invocation) -> int:
    """Create a datastore."""
    name = check_name("datastore", line.text("name"))
    spec: dict[str, Any] = {"name": name, "type": "image", "driver": "ssh", **given(line, "type", "driver", "path", "cluster")}
    return make(context, line, [name], lambda engine, _, call: engine.datastores.create(spec, call))

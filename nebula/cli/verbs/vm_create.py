"""nebula vm create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import make
from nebula.cli.settling import settle
from nebula.cli.template import from_line
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

MOST = 1000
"""VMs of one command."""


def create(context: Context, line: Invocation) -> int:
    """Create VMs and, unless they are held, wait until they run."""
    file = _file(line)
    template = from_line(line, file)
    hold = line.flag("hold")

    def act(engine: Engine, name: str, call: Call) -> Accepted:
        return engine.vms.create({**template, "NAME": name}, call, hold=hold)

    def finish(engine: Engine, accepted: Accepted) -> str:
        return "created, on hold" if hold else settle(context, engine, accepted)

    return make(context, line, names(line, template), act, finish=finish)


def names(line: Invocation, template: dict[str, Any]) -> list[str]:
    """What the VMs are called: NAME, or NAME-0 NAME-1 … with --count."""
    name = line.text("name") or str(template.get("NAME", ""))
    if not name:
        raise UsageError("the VM has no name yet", hint="nebula vm create NAME …, or name: in the file")
    if not line.has("count"):
        return [check_name("vm", name)]
    return [check_name("vm", f"{name}-{index}") for index in range(line.number("count", least=1, most=MOST))]


def _file(line: Invocation) -> dict[str, Any] | None:
    if not line.text("file"):
        return None
    from nebula.cli.yamlfile import load

    return load(line.text("file"))

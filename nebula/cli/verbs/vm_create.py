"""nebula vm create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nebula.attributes import single
from nebula.cli.changes import make
from nebula.cli.settling import settle
from nebula.cli.template import Template, from_line
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
    wanted = templates(line, _file(line))
    hold = line.flag("hold")

    def act(engine: Engine, name: str, call: Call) -> Accepted:
        return engine.vms.create(wanted[name], call, hold=hold)

    def finish(engine: Engine, accepted: Accepted) -> str:
        return "created, on hold" if hold else settle(context, engine, accepted)

    return make(context, line, list(wanted), act, finish=finish)


def templates(line: Invocation, documents: Sequence[Mapping[str, Any]]) -> dict[str, Template]:
    """Name -> template of every VM that the line and the documents of its file mean."""
    if len(documents) > 1 and (line.text("name") or line.has("count")):
        raise UsageError(
            f"the file holds {len(documents)} VMs, each with its own name", hint="leave NAME and --count out, or split the file"
        )
    found: dict[str, Template] = {}
    for document in documents:
        template = from_line(line, document)
        for name in names(line, template):
            if name in found:
                raise UsageError(f"two VMs in the file are called {name}", hint="give each a name: of its own")
            found[name] = {**template, "NAME": name}
    if len(found) > MOST:
        raise UsageError(f"the file holds {len(found)} VMs", cause=f"one command creates at most {MOST}", hint="split the file")
    return found


def names(line: Invocation, template: Mapping[str, Any]) -> list[str]:
    """What the VMs are called: NAME; with --count NAME-0 NAME-1 …, or the number in the place of %i."""
    name = line.text("name") or str(single("NAME", template.get("NAME", "")))
    if not name:
        raise UsageError("the VM has no name yet", hint="nebula vm create NAME …, or name: in the file")
    if not line.has("count"):
        return [check_name("vm", name)]
    pattern = name if "%i" in name else f"{name}-%i"
    return [check_name("vm", pattern.replace("%i", str(index))) for index in range(line.number("count", least=1, most=MOST))]


def _file(line: Invocation) -> list[dict[str, Any]]:
    if not line.text("file"):
        return [{}]
    from nebula.cli.templatefile import load

    return load(line.text("file"))

"""nebula schedule create and update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.changes import each, make
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

_REPEATS = ("weekly", "monthly", "yearly", "hourly")


def create(context: Context, line: Invocation) -> int:
    """Schedule it; a note where nobody would be there to do it."""
    spec = {"action": line.text("action"), "time": line.text("time"), **_plan(line)}
    if line.text("name"):
        spec["name"] = line.text("name")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        accepted = engine.schedules.create(ref, spec, call)
        if engine.system.status().role != "daemon":
            context.say("an engine that runs then will do it: nebula daemon install")
        return accepted

    return make(context, line, [line.text("ref")], act)


def chart(context: Context, line: Invocation) -> int:
    """All that a template orders."""
    template = line.text("template")
    return each(context, line, lambda engine, ref, call: engine.schedules.charter(ref, template, call), done="scheduled")


def update(context: Context, line: Invocation) -> int:
    """Change when."""
    changes = _plan(line)
    if line.text("time"):
        changes["time"] = line.text("time")
    if line.flag("once"):
        changes |= {"repeat": "", "days": ""}
    if not changes:
        raise UsageError("schedule update changes nothing", hint="nebula schedule update --help")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.schedules.update(ref, changes, call)

    return each(context, line, act, done="updated")


def _plan(line: Invocation) -> dict[str, str]:
    """What the options say, as OpenNebula's attributes."""
    found = [repeat for repeat in _REPEATS if line.has(repeat)]
    if len(found) > 1:
        raise UsageError(f"--{found[0]} and --{found[1]} exclude each other", hint="make two schedules")
    plan = {"repeat": found[0], "days": line.text(found[0])} if found else {}
    if line.text("end"):
        times = line.text("end").isdecimal() and len(line.text("end")) < 7
        plan |= {"end_type": "1" if times else "2", "end_value": line.text("end")}
    if line.has("args"):
        plan["args"] = line.text("args")
    return plan

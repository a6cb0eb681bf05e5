"""The commands of `nebula vmgroup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each, make
from nebula.errors import UsageError
from nebula.names import check_name

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

Spec = dict[str, Any]


def create(context: Context, line: Invocation) -> int:
    """Create a group."""
    spec = {"name": check_name("vmgroup", line.text("name")), **rules(line)}
    return make(context, line, [spec["name"]], lambda engine, _name, call: engine.vmgroups.create(spec, call))


def update(context: Context, line: Invocation) -> int:
    """Change groups."""
    changes = rules(line)
    if line.texts("without"):
        changes["without"] = list(line.texts("without"))
    if not changes:
        raise UsageError("vmgroup update changes nothing", hint="add --role ROLE, or --affined ROLE,ROLE")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.vmgroups.update(ref, changes, call)

    return each(context, line, act, done="updated")


def rules(line: Invocation) -> Spec:
    """What the options say, as the engine takes it; only what was typed."""
    roles: dict[str, Spec] = {}
    for word in line.texts("role"):
        name, separator, policy = word.partition(":")
        role = roles.setdefault(name, {"name": name})
        if separator:
            role["policy"] = policy
    for option in ("host_affined", "host_anti_affined"):
        for word in line.texts(option):
            name, separator, hosts = word.partition(":")
            if not separator:
                raise UsageError(f"--{option.replace('_', '-')} {word[:60]!r} names no role", hint="write it like db:a1,a2")
            roles.setdefault(name, {"name": name})[option] = _words(hosts)
    spec: Spec = {"roles": list(roles.values())} if roles else {}
    for option in ("affined", "anti_affined"):
        if line.texts(option):
            spec[option] = [words for text in line.texts(option) if (words := _words(text))]
    return spec


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]

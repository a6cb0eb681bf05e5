"""nebula host VERB for hosts that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.cli.changes import each
from nebula.cli.verbs.common import assignments, given
from nebula.errors import UsageError
from nebula.units import parse_cpu, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

HERE = "this machine"
"""The address that is shown of a host that needs none."""
_SETTINGS = ("address", "user", "port", "virt", "cluster", "reserved_cpu", "reserved_memory", "fingerprint", "take_over")


def enable(context: Context, line: Invocation) -> int:
    """Let take VMs again."""
    return each(context, line, lambda engine, ref, call: engine.hosts.enable(ref, call), done="enabled")


def disable(context: Context, line: Invocation) -> int:
    """No new VMs."""
    return each(context, line, lambda engine, ref, call: engine.hosts.disable(ref, call), done="disabled")


def offline(context: Context, line: Invocation) -> int:
    """Leave alone."""
    return each(context, line, lambda engine, ref, call: engine.hosts.offline(ref, call), done="offline")


def clean(context: Context, line: Invocation) -> int:
    """Take away what was left."""
    return each(context, line, lambda engine, ref, call: engine.hosts.clean(ref, call), done="cleaned")


def evacuate(context: Context, line: Invocation) -> int:
    """Migrate every VM away."""
    return each(context, line, lambda engine, ref, call: engine.hosts.evacuate(ref, call), done="evacuated")


def update(context: Context, line: Invocation) -> int:
    """Change settings and attributes."""
    attributes = assignments(line.texts("set"))
    changes: dict[str, Any] = {**settings(line), **({"attributes": attributes} if attributes else {})}
    if not changes and not line.flag("ask_password"):
        raise UsageError("host update changes nothing", hint="add --cluster, --reserved-memory or --set KEY=VALUE")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        keys = _let_in(context, line, engine, ref) if line.flag("ask_password") and not call.dry_run else {}
        return engine.hosts.update(ref, {**changes, **keys}, call)

    return each(context, line, act, done="updated")


def _let_in(context: Context, line: Invocation, engine: Engine, ref: str) -> dict[str, Any]:
    """Put the engine's key on a host by a password. The host is known by --fingerprint, else by the key that is pinned."""
    from nebula.cli.verbs.host_add import chosen, put_key

    body = engine.hosts.show(ref).body
    if body["address"] == HERE and not line.has("address"):
        raise UsageError(f"host {body['name']} is this machine: nobody logs in there", hint="leave --ask-password out")
    address = line.text("address") or str(body["address"])
    port = line.number("port", least=1, most=65535) if line.has("port") else int(body["port"])
    keys = list(body["host_keys"])
    if line.text("fingerprint"):
        keys = [chosen(context, line, engine.hosts.scan(address, port), address, port, again="").line]
    put_key(context, engine, address, port, line.text("user") or str(body["user"]), "\n".join(keys))
    return {"host_keys": keys}


def settings(line: Invocation) -> Mapping[str, Any]:
    """The settings that were typed, checked."""
    found = given(line, *_SETTINGS)
    if "reserved_cpu" in found:
        check_reserved("--reserved-cpu", str(found["reserved_cpu"]))
    if "reserved_memory" in found:
        check_reserved("--reserved-memory", str(found["reserved_memory"]))
    if "port" in found:
        line.number("port", least=1, most=65535)
    return found


def check_reserved(option: str, text: str) -> None:
    """UsageError unless it is a size (or cores), or a percentage, with or without a minus."""
    amount = text.removeprefix("-")
    if amount.endswith("%"):
        share = amount[:-1]
        if not (share.isascii() and share.isdigit() and len(share) <= 4):
            raise UsageError(f"{option} {text!r} is no percentage", hint=f"write {option} 10% or {option} -50%")
    elif option.endswith("cpu"):
        parse_cpu(amount)
    else:
        parse_size(amount, unit="M", what="amount of memory")

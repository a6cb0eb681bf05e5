"""nebula vm VERB for the verbs of the transition table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from nebula.cli.changes import each
from nebula.cli.verbs.common import assignments
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation

    Recovery = Literal["failure", "success", "retry", "delete", "recreate", "delete-db"]

_RECOVERIES = ("retry", "success", "failure", "delete", "recreate", "delete-db")


def hold(context: Context, line: Invocation) -> int:
    """Keep from being placed."""
    return each(context, line, lambda engine, ref, call: engine.vms.hold(ref, call), done="held")


def release(context: Context, line: Invocation) -> int:
    """Let be placed."""
    return each(context, line, lambda engine, ref, call: engine.vms.release(ref, call), done="released")


def deploy(context: Context, line: Invocation) -> int:
    """Place on a host."""
    host = line.text("host")
    if not host:
        raise UsageError("vm deploy wants a host", hint="add --host HOST, or let the scheduler place it: nebula vm release VM")
    return each(context, line, lambda engine, ref, call: engine.vms.deploy(ref, host, call), done=f"runs on {host}")


def poweroff(context: Context, line: Invocation) -> int:
    """Power off."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.poweroff(ref, call, hard=hard), done="powered off")


def resume(context: Context, line: Invocation) -> int:
    """Start again."""
    return each(context, line, lambda engine, ref, call: engine.vms.resume(ref, call), done="runs")


def reboot(context: Context, line: Invocation) -> int:
    """Reboot the guest."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.reboot(ref, call, hard=hard), done="rebooted")


def migrate(context: Context, line: Invocation) -> int:
    """Move to another host."""
    host, live = line.text("host"), line.flag("live")
    done = f"moved to {host}" if host else "moved"
    return each(context, line, lambda engine, ref, call: engine.vms.migrate(ref, host, call, live=live), done=done)


def terminate(context: Context, line: Invocation) -> int:
    """End for good."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.terminate(ref, call, hard=hard), done="terminated")


def recover(context: Context, line: Invocation) -> int:
    """Out of a failed or unknown state, by exactly one way."""
    asked = [name for name in _RECOVERIES if line.flag(name.replace("-", "_"))]
    if len(asked) != 1:
        raise UsageError("vm recover wants exactly one way", hint=f"add one of {' '.join(f'--{name}' for name in _RECOVERIES)}")
    way = cast("Recovery", asked[0])
    return each(context, line, lambda engine, ref, call: engine.vms.recover(ref, way, call), done=f"recovered ({way})")


def update(context: Context, line: Invocation) -> int:
    """Change attributes."""
    changes: dict[str, Any] = dict(assignments(line.texts("set")))
    if line.text("autostart"):
        changes["AUTOSTART"] = line.text("autostart").upper()
    if not changes:
        raise UsageError("vm update changes nothing", hint="add --set KEY=VALUE")
    return each(context, line, lambda engine, ref, call: engine.vms.update(ref, changes, call), done="updated")

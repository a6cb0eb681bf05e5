"""nebula vm VERB for the verbs of the transition table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from nebula.cli.changes import ENDS, each
from nebula.cli.verbs.adopt import deletes_disks
from nebula.cli.verbs.common import assignments
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine

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
    force = line.flag("force")
    return each(context, line, lambda engine, ref, call: engine.vms.deploy(ref, host, call, force), done=f"runs on {host}")


def poweroff(context: Context, line: Invocation) -> int:
    """Power off."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.poweroff(ref, call, hard=hard), done="powered off")


def resume(context: Context, line: Invocation) -> int:
    """Start again; one that was stopped or undeployed waits for its place."""

    def finish(engine: Engine, accepted: Accepted) -> str:
        from nebula.cli.settling import settle

        return settle(context, engine, accepted)

    return each(context, line, lambda engine, ref, call: engine.vms.resume(ref, call), done="runs", finish=finish)


def suspend(context: Context, line: Invocation) -> int:
    """Save the memory on the host."""
    return each(context, line, lambda engine, ref, call: engine.vms.suspend(ref, call), done="suspended")


def stop(context: Context, line: Invocation) -> int:
    """Save the memory beside the disks and leave the host."""
    return each(context, line, lambda engine, ref, call: engine.vms.stop(ref, call), done="stopped")


def undeploy(context: Context, line: Invocation) -> int:
    """Power off and leave the host."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.undeploy(ref, call, hard=hard), done="undeployed")


def resched(context: Context, line: Invocation) -> int:
    """Mark for the scheduler."""
    return each(context, line, lambda engine, ref, call: engine.vms.resched(ref, call), done="to be moved")


def unresched(context: Context, line: Invocation) -> int:
    """Take the mark away."""
    return each(context, line, lambda engine, ref, call: engine.vms.unresched(ref, call), done="not to be moved")


def reboot(context: Context, line: Invocation) -> int:
    """Reboot the guest."""
    hard = line.flag("hard")
    return each(context, line, lambda engine, ref, call: engine.vms.reboot(ref, call, hard=hard), done="rebooted")


def migrate(context: Context, line: Invocation) -> int:
    """Move to another host."""
    host, live, force, hard = line.text("host"), line.flag("live"), line.flag("force"), line.flag("hard")
    done = f"moved to {host}" if host else "moved"

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.vms.migrate(ref, host, call, live=live, force=force, hard=hard)

    return each(context, line, act, done=done)


def terminate(context: Context, line: Invocation) -> int:
    """End for good."""
    hard = line.flag("hard")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        delete = deletes_disks(context, line, engine, ref)
        return engine.vms.terminate(ref, call, hard=hard, delete_disks=delete)

    return each(context, line, act, done="terminated")


def recover(context: Context, line: Invocation) -> int:
    """Out of a failed or unknown state, by exactly one way."""
    asked = [name for name in _RECOVERIES if line.flag(name.replace("-", "_"))]
    if len(asked) != 1:
        raise UsageError("vm recover wants exactly one way", hint=f"add one of {' '.join(f'--{name}' for name in _RECOVERIES)}")
    way = cast("Recovery", asked[0])
    ends = {*ENDS, "cancelled"} if way == "failure" else ENDS  # a job under way is cancelled: that is what was asked for
    return each(
        context, line, lambda engine, ref, call: engine.vms.recover(ref, way, call), done=f"recovered ({way})", ends=ends
    )


def update(context: Context, line: Invocation) -> int:
    """Change attributes."""
    from nebula.cli.template import typed_context
    from nebula.cli.templatefile import one_file

    changes: dict[str, Any] = {**(one_file(line) or {}), **assignments(line.texts("set"))}
    if line.text("autostart"):
        changes["AUTOSTART"] = line.text("autostart").upper()
    context_changes = typed_context(line, changes.get("CONTEXT") or {})
    if context_changes:
        changes["CONTEXT"] = context_changes
    if not changes:
        raise UsageError("vm update changes nothing", hint="add --set KEY=VALUE, --context KEY=VALUE or --file FILE")
    return each(context, line, lambda engine, ref, call: engine.vms.update(ref, changes, call), done="updated")

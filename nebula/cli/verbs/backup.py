"""The commands of `nebula backup`, and `nebula vm backup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.changes import each, make
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine


def create(context: Context, line: Invocation) -> int:
    """A backup of each VM."""
    datastore, full = line.text("datastore"), line.flag("full")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.vms.backup(ref, call, datastore, full)

    return each(context, line, act, words=line.texts("refs"), noun="vm", done="backed up")


def restore(context: Context, line: Invocation) -> int:
    """Another VM, or the same one."""
    name, datastore = line.text("name"), line.text("datastore")
    if not line.flag("in_place"):
        hold = line.flag("hold")
        return each(
            context, line, lambda engine, ref, call: engine.backups.restore(ref, call, name, datastore, hold), done="restored"
        )
    if name or datastore or line.flag("hold"):
        raise UsageError("--in-place restores the VM as it is", hint="leave --name, --datastore and --hold out")

    def act(engine: Engine, ref: str, call: Call) -> Accepted:
        return engine.vms.restore(str(engine.backups.show(ref).body["vm_id"]), ref, call)

    return each(context, line, act, done="restored")


def verify(context: Context, line: Invocation) -> int:
    """Restored and compared."""
    return each(context, line, lambda engine, ref, call: engine.backups.verify(ref, call), done="whole")


def forget(context: Context, line: Invocation) -> int:
    """Retention."""
    names = [line.text("datastore")]
    return make(context, line, names, lambda engine, name, call: engine.backups.forget(name, call), done="retention applied")

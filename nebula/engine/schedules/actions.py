"""What can be scheduled: OpenNebula's names of actions, and the verb that each one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from nebula.errors import UsageError
from nebula.names import near

if TYPE_CHECKING:
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Vms

    Act = Callable[[Vms, str, str, Call], Accepted]
    """(VMs, ref, arguments, call) -> what was accepted."""


class Action(NamedTuple):
    """`verb`: that of the façade whose right is asked for. `arguments`: whether it takes some."""

    verb: str
    act: Act
    arguments: bool = False


def _disk_snapshot(verb: str, vms: Vms, ref: str, arguments: str, call: Call) -> Accepted:
    """OpenNebula's arguments: the disk's id, and the snapshot's name or id."""
    disk, _, snapshot = arguments.partition(",") if "," in arguments else arguments.partition(" ")
    act = {"create": vms.disk_snapshot_create, "revert": vms.disk_snapshot_revert, "delete": vms.disk_snapshot_delete}[verb]
    return act(ref, disk.strip(), snapshot.strip(), call)


def _backup(vms: Vms, ref: str, arguments: str, call: Call) -> Accepted:
    """The datastore, as its id or name, and `full`; OpenNebula's second argument is YES for the same."""
    words = [word.strip() for word in arguments.replace(" ", ",").split(",") if word.strip()]
    full = any(word.lower() in {"full", "yes"} for word in words)
    return vms.backup(ref, call, next((word for word in words if word.lower() not in {"full", "yes", "no"}), ""), full)


ACTIONS: dict[str, Action] = {
    "terminate": Action("terminate", lambda vms, ref, _, call: vms.terminate(ref, call)),
    "terminate-hard": Action("terminate", lambda vms, ref, _, call: vms.terminate(ref, call, hard=True)),
    "undeploy": Action("undeploy", lambda vms, ref, _, call: vms.undeploy(ref, call)),
    "undeploy-hard": Action("undeploy", lambda vms, ref, _, call: vms.undeploy(ref, call, hard=True)),
    "hold": Action("hold", lambda vms, ref, _, call: vms.hold(ref, call)),
    "release": Action("release", lambda vms, ref, _, call: vms.release(ref, call)),
    "stop": Action("stop", lambda vms, ref, _, call: vms.stop(ref, call)),
    "suspend": Action("suspend", lambda vms, ref, _, call: vms.suspend(ref, call)),
    "resume": Action("resume", lambda vms, ref, _, call: vms.resume(ref, call)),
    "reboot": Action("reboot", lambda vms, ref, _, call: vms.reboot(ref, call)),
    "reboot-hard": Action("reboot", lambda vms, ref, _, call: vms.reboot(ref, call, hard=True)),
    "poweroff": Action("poweroff", lambda vms, ref, _, call: vms.poweroff(ref, call)),
    "poweroff-hard": Action("poweroff", lambda vms, ref, _, call: vms.poweroff(ref, call, hard=True)),
    "resched": Action("resched", lambda vms, ref, _, call: vms.resched(ref, call)),
    "migrate": Action("migrate", lambda vms, ref, host, call: vms.migrate(ref, host, call), arguments=True),
    "migrate-live": Action("migrate", lambda vms, ref, host, call: vms.migrate(ref, host, call, live=True), arguments=True),
    "snapshot-create": Action("snapshot_create", lambda vms, ref, name, call: vms.snapshot_create(ref, name, call), True),
    "snapshot-revert": Action("snapshot_revert", lambda vms, ref, name, call: vms.snapshot_revert(ref, name, call), True),
    "snapshot-delete": Action("snapshot_delete", lambda vms, ref, name, call: vms.snapshot_delete(ref, name, call), True),
    "backup": Action("backup", _backup, arguments=True),
    "disk-snapshot-create": Action("disk_snapshot_create", lambda *given: _disk_snapshot("create", *given), arguments=True),
    "disk-snapshot-revert": Action("disk_snapshot_revert", lambda *given: _disk_snapshot("revert", *given), arguments=True),
    "disk-snapshot-delete": Action("disk_snapshot_delete", lambda *given: _disk_snapshot("delete", *given), arguments=True),
}
"""Each is one line: name (one of api.schedules.SCHEDULABLE), the façade's verb, how it is called."""


def action_named(name: str) -> Action:
    """The action; UsageError for one that there is not."""
    found = ACTIONS.get(name)
    if found is None:
        close = near(name, list(ACTIONS))
        hint = f"did you mean {', '.join(close)}?" if close else f"one of: {', '.join(ACTIONS)}"
        raise UsageError(f"{name[:60]!r} cannot be scheduled", hint=hint)
    return found

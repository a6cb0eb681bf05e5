"""The transition table: every way in which a VM's state may change, a row each.

A verb with a job goes through phases: each phase has a transient place in which the VM stands while the phase's steps
run, the place where it goes when the phase fails and its undo worked, and the place where it goes when even the undo
failed. The façade's guards, completion, greyed keys, the documentation's diagram and the property test read this table. Its
rows are plain tuples, because completion reads them at every TAB.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from nebula.engine.lifecycle.states import LcmState, Place, VmState, active

PENDING, HOLD, DONE = Place(VmState.PENDING), Place(VmState.HOLD), Place(VmState.DONE)
POWEROFF, SUSPENDED = Place(VmState.POWEROFF), Place(VmState.SUSPENDED)
STOPPED, UNDEPLOYED = Place(VmState.STOPPED), Place(VmState.UNDEPLOYED)
CLONING, CLONING_FAILURE = Place(VmState.CLONING), Place(VmState.CLONING_FAILURE)
RUNNING, UNKNOWN = active(LcmState.RUNNING), active(LcmState.UNKNOWN)
PROLOG_FAILURE, BOOT_FAILURE = active(LcmState.PROLOG_FAILURE), active(LcmState.BOOT_FAILURE)
EPILOG_FAILURE = active(LcmState.EPILOG_FAILURE)
EPILOG_STOP_FAILURE = active(LcmState.EPILOG_STOP_FAILURE)
EPILOG_UNDEPLOY_FAILURE = active(LcmState.EPILOG_UNDEPLOY_FAILURE)
PROLOG_RESUME_FAILURE = active(LcmState.PROLOG_RESUME_FAILURE)
BOOT_STOPPED_FAILURE = active(LcmState.BOOT_STOPPED_FAILURE)
PROLOG_UNDEPLOY_FAILURE = active(LcmState.PROLOG_UNDEPLOY_FAILURE)
BOOT_UNDEPLOY_FAILURE = active(LcmState.BOOT_UNDEPLOY_FAILURE)
PROLOG_MIGRATE_FAILURE = active(LcmState.PROLOG_MIGRATE_FAILURE)
BOOT_MIGRATE_FAILURE = active(LcmState.BOOT_MIGRATE_FAILURE)
PROLOG_MIGRATE_POWEROFF_FAILURE = active(LcmState.PROLOG_MIGRATE_POWEROFF_FAILURE)
WAITING = (PENDING, HOLD, CLONING, CLONING_FAILURE)
FAILURES = (
    PROLOG_FAILURE,
    BOOT_FAILURE,
    EPILOG_FAILURE,
    PROLOG_MIGRATE_FAILURE,
    BOOT_MIGRATE_FAILURE,
    PROLOG_MIGRATE_POWEROFF_FAILURE,
    EPILOG_STOP_FAILURE,
    EPILOG_UNDEPLOY_FAILURE,
    PROLOG_RESUME_FAILURE,
    BOOT_STOPPED_FAILURE,
    PROLOG_UNDEPLOY_FAILURE,
    BOOT_UNDEPLOY_FAILURE,
)
OFF_HOST = (STOPPED, UNDEPLOYED)
"""On no host, and its disks are kept."""


class Recovery(enum.StrEnum):
    """What the next owner does with a job whose runner died."""

    RESUME = "resume"
    """Run the step again from its start; the step asks reality first."""
    IMMEDIATE = "immediate"
    """There is no job: the verb is one transaction."""


class Phase(NamedTuple):
    """A stretch of a job. `name` is what the operation's steps refer to."""

    name: str
    transient: Place
    failure: Place
    stuck: Place


class Transition(NamedTuple):
    """One row: a verb, where it may start, how it goes, where it ends."""

    verb: str
    sources: tuple[Place, ...]
    success: Place | None
    """None: the place does not change."""
    phases: tuple[Phase, ...] = ()
    job: str = ""
    """The operation's kind; empty: no job."""
    recovery: Recovery = Recovery.IMMEDIATE
    observed: bool = False
    """Seen on a host by the monitor, not asked for by anybody."""


def _phase(name: str, lcm: LcmState, failure: Place, stuck: Place | None = None) -> Phase:
    return Phase(name=name, transient=active(lcm), failure=failure, stuck=stuck or failure)


def _job(verb: str, sources: Iterable[Place], job: str, phases: Iterable[Phase], success: Place) -> Transition:
    return Transition(
        verb=verb, sources=tuple(sources), success=success, phases=tuple(phases), job=job, recovery=Recovery.RESUME
    )


def _now(verb: str, sources: Iterable[Place], success: Place | None) -> Transition:
    return Transition(verb=verb, sources=tuple(sources), success=success)


def _stays(verb: str, *places: Place) -> tuple[Transition, ...]:
    """What is done in one transaction and leaves the VM where it is, a row for each place."""
    return tuple(_now(verb, (place,), place) for place in places)


def _in_place(verb: str, place: Place, job: str, phase: str, lcm: LcmState) -> Transition:
    """What a job does with a VM that is where it was after it, whatever came of it."""
    return _job(verb, (place,), job, (_phase(phase, lcm, place),), place)


def _seen(verb: str, sources: Iterable[Place], success: Place) -> Transition:
    return Transition(verb=verb, sources=tuple(sources), success=success, observed=True)


_BOOT = _phase("boot", LcmState.BOOT, BOOT_FAILURE)
_EPILOG = _phase("epilog", LcmState.EPILOG, EPILOG_FAILURE)
_CLEANUP = _phase("cleanup", LcmState.CLEANUP_DELETE, EPILOG_FAILURE)
_RETURN_STOPPED = (
    _phase("prolog", LcmState.PROLOG_RESUME, PROLOG_RESUME_FAILURE),
    _phase("boot", LcmState.BOOT_STOPPED, BOOT_STOPPED_FAILURE),
)
_RETURN_UNDEPLOYED = (
    _phase("prolog", LcmState.PROLOG_UNDEPLOY, PROLOG_UNDEPLOY_FAILURE),
    _phase("boot", LcmState.BOOT_UNDEPLOY, BOOT_UNDEPLOY_FAILURE),
)
_CARD = _phase("card", LcmState.HOTPLUG_NIC, RUNNING)
_EPILOG_UNDEPLOY = _phase("epilog", LcmState.EPILOG_UNDEPLOY, EPILOG_UNDEPLOY_FAILURE)

TABLE: tuple[Transition, ...] = (
    _now("hold", (PENDING,), HOLD),
    _now("release", (HOLD,), PENDING),
    _job("deploy", (PENDING, HOLD), "vm.deploy", (_phase("prolog", LcmState.PROLOG, PROLOG_FAILURE), _BOOT), RUNNING),
    _job("deploy", (STOPPED,), "vm.deploy-stopped", _RETURN_STOPPED, RUNNING),
    _job("deploy", (UNDEPLOYED,), "vm.deploy-undeployed", _RETURN_UNDEPLOYED, RUNNING),
    _job("deploy-stopped", (PENDING, HOLD), "vm.deploy-stopped", _RETURN_STOPPED, RUNNING),
    _job("deploy-undeployed", (PENDING, HOLD), "vm.deploy-undeployed", _RETURN_UNDEPLOYED, RUNNING),
    _job(
        "poweroff",
        (RUNNING, UNKNOWN),
        "vm.poweroff",
        (_phase("shutdown", LcmState.SHUTDOWN_POWEROFF, RUNNING, UNKNOWN),),
        POWEROFF,
    ),
    _job("resume", (POWEROFF,), "vm.start", (_phase("boot", LcmState.BOOT_POWEROFF, POWEROFF),), RUNNING),
    _job("resume", (SUSPENDED,), "vm.start", (_phase("boot", LcmState.BOOT_SUSPENDED, SUSPENDED),), RUNNING),
    _job("resume", (UNKNOWN,), "vm.start", (_phase("boot", LcmState.BOOT_UNKNOWN, UNKNOWN),), RUNNING),
    _now("resume", OFF_HOST, PENDING),
    Transition(verb="reboot", sources=(RUNNING,), success=None, job="vm.reboot", recovery=Recovery.RESUME),
    _job(
        "migrate-live",
        (RUNNING,),
        "vm.migrate-live",
        (_phase("migrate", LcmState.MIGRATE, RUNNING, UNKNOWN),),
        RUNNING,
    ),
    _job(
        "migrate",
        (RUNNING,),
        "vm.migrate",
        (
            _phase("save", LcmState.SAVE_MIGRATE, RUNNING, UNKNOWN),
            _phase("prolog", LcmState.PROLOG_MIGRATE, RUNNING, PROLOG_MIGRATE_FAILURE),
            _phase("boot", LcmState.BOOT_MIGRATE, RUNNING, BOOT_MIGRATE_FAILURE),
        ),
        RUNNING,
    ),
    _job(
        "migrate",
        (POWEROFF,),
        "vm.migrate-off",
        (_phase("prolog", LcmState.PROLOG_MIGRATE_POWEROFF, POWEROFF, PROLOG_MIGRATE_POWEROFF_FAILURE),),
        POWEROFF,
    ),
    _job("suspend", (RUNNING,), "vm.suspend", (_phase("save", LcmState.SAVE_SUSPEND, RUNNING, UNKNOWN),), SUSPENDED),
    _job(
        "stop",
        (RUNNING,),
        "vm.stop",
        (
            _phase("save", LcmState.SAVE_STOP, RUNNING, UNKNOWN),
            _phase("epilog", LcmState.EPILOG_STOP, RUNNING, EPILOG_STOP_FAILURE),
        ),
        STOPPED,
    ),
    _job(
        "stop",
        (SUSPENDED,),
        "vm.stop-suspended",
        (_phase("epilog", LcmState.EPILOG_STOP, SUSPENDED, EPILOG_STOP_FAILURE),),
        STOPPED,
    ),
    _job(
        "undeploy",
        (RUNNING, UNKNOWN),
        "vm.undeploy",
        (_phase("shutdown", LcmState.SHUTDOWN_UNDEPLOY, RUNNING, UNKNOWN), _EPILOG_UNDEPLOY),
        UNDEPLOYED,
    ),
    _job("undeploy", (POWEROFF,), "vm.undeploy-off", (_EPILOG_UNDEPLOY,), UNDEPLOYED),
    _job("update-context", (RUNNING,), "vm.context", (_phase("hotplug", LcmState.HOTPLUG, RUNNING),), RUNNING),
    *_stays("resched", RUNNING, UNKNOWN, POWEROFF),
    *_stays("unresched", RUNNING, UNKNOWN, POWEROFF),
    _in_place("resize", RUNNING, "vm.resize", "resize", LcmState.HOTPLUG_RESIZE),
    *_stays("resize", POWEROFF, UNDEPLOYED, *WAITING),
    _in_place("disk-attach", RUNNING, "vm.disk-attach", "attach", LcmState.HOTPLUG),
    _in_place("disk-attach", POWEROFF, "vm.disk-attach-off", "attach", LcmState.HOTPLUG_PROLOG_POWEROFF),
    _in_place("disk-detach", RUNNING, "vm.disk-detach", "detach", LcmState.HOTPLUG),
    _in_place("disk-detach", POWEROFF, "vm.disk-detach-off", "detach", LcmState.HOTPLUG_EPILOG_POWEROFF),
    _in_place("cd-change", RUNNING, "vm.cd-change", "load", LcmState.HOTPLUG),
    _in_place("cd-change", POWEROFF, "vm.cd-change-off", "load", LcmState.HOTPLUG_PROLOG_POWEROFF),
    _in_place("disk-resize", RUNNING, "vm.disk-resize", "resize", LcmState.DISK_RESIZE),
    _in_place("disk-resize", POWEROFF, "vm.disk-resize-off", "resize", LcmState.DISK_RESIZE_POWEROFF),
    _in_place("disk-resize", UNDEPLOYED, "vm.disk-resize-off", "resize", LcmState.DISK_RESIZE_UNDEPLOYED),
    _in_place("disk-move", RUNNING, "vm.disk-move", "move", LcmState.HOTPLUG),
    _in_place("disk-move", POWEROFF, "vm.disk-move-off", "move", LcmState.HOTPLUG_PROLOG_POWEROFF),
    _job("nic-attach", (RUNNING,), "vm.nic-attach", (_CARD,), RUNNING),
    _job("nic-detach", (RUNNING,), "vm.nic-detach", (_CARD,), RUNNING),
    _job("nic-update", (RUNNING,), "vm.nic-update", (_CARD,), RUNNING),
    *_stays("nic-attach", POWEROFF),
    *_stays("nic-detach", POWEROFF),
    *_stays("nic-update", POWEROFF),
    *_stays("pci-attach", POWEROFF, UNDEPLOYED),
    *_stays("pci-detach", POWEROFF, UNDEPLOYED),
    _in_place("disk-saveas", RUNNING, "vm.disk-saveas", "saveas", LcmState.HOTPLUG_SAVEAS),
    _in_place("disk-saveas", POWEROFF, "vm.disk-saveas-off", "saveas", LcmState.HOTPLUG_SAVEAS_POWEROFF),
    _in_place("snapshot-create", RUNNING, "vm.snapshot-create", "snapshot", LcmState.HOTPLUG_SNAPSHOT),
    _in_place("snapshot-revert", RUNNING, "vm.snapshot-revert", "snapshot", LcmState.HOTPLUG_SNAPSHOT),
    _in_place("snapshot-delete", RUNNING, "vm.snapshot-delete", "snapshot", LcmState.HOTPLUG_SNAPSHOT),
    _in_place("snapshot-delete", POWEROFF, "vm.snapshot-delete-off", "snapshot", LcmState.HOTPLUG_SNAPSHOT),
    _in_place("disk-snapshot-create", RUNNING, "vm.disk-snapshot-create", "snapshot", LcmState.DISK_SNAPSHOT),
    _in_place("disk-snapshot-create", POWEROFF, "vm.disk-snapshot-create-off", "snapshot", LcmState.DISK_SNAPSHOT_POWEROFF),
    _in_place("disk-snapshot-revert", POWEROFF, "vm.disk-snapshot-revert", "revert", LcmState.DISK_SNAPSHOT_REVERT_POWEROFF),
    _in_place("disk-snapshot-delete", RUNNING, "vm.disk-snapshot-delete", "delete", LcmState.DISK_SNAPSHOT_DELETE),
    _in_place(
        "disk-snapshot-delete", POWEROFF, "vm.disk-snapshot-delete-off", "delete", LcmState.DISK_SNAPSHOT_DELETE_POWEROFF
    ),
    _in_place("backup", RUNNING, "vm.backup", "backup", LcmState.BACKUP),
    _in_place("backup", POWEROFF, "vm.backup-off", "backup", LcmState.BACKUP_POWEROFF),
    _in_place("restore", POWEROFF, "vm.restore", "restore", LcmState.RESTORE),
    _job(
        "terminate",
        (RUNNING, UNKNOWN),
        "vm.terminate",
        (_phase("shutdown", LcmState.SHUTDOWN, RUNNING, UNKNOWN), _EPILOG),
        DONE,
    ),
    _job("terminate", (POWEROFF, SUSPENDED, *OFF_HOST), "vm.terminate-off", (_EPILOG,), DONE),
    _job("terminate-kept", (PENDING, HOLD), "vm.terminate-off", (_EPILOG,), DONE),
    _now("terminate", WAITING, DONE),
    _job("terminate", FAILURES, "vm.delete", (_CLEANUP,), DONE),
    _job("recover-delete", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *OFF_HOST, *FAILURES), "vm.delete", (_CLEANUP,), DONE),
    _job("recover-delete-kept", (PENDING, HOLD), "vm.delete", (_CLEANUP,), DONE),
    _now("recover-delete", WAITING, DONE),
    _job(
        "recover-recreate",
        (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *OFF_HOST, *FAILURES),
        "vm.recreate",
        (_phase("cleanup", LcmState.CLEANUP_RESUBMIT, EPILOG_FAILURE),),
        PENDING,
    ),
    _job(
        "recover-recreate-kept",
        (PENDING, HOLD),
        "vm.recreate",
        (_phase("cleanup", LcmState.CLEANUP_RESUBMIT, EPILOG_FAILURE),),
        PENDING,
    ),
    _now("recover-delete-db", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *OFF_HOST, *FAILURES, *WAITING), DONE),
    _job(
        "recover-retry",
        (PROLOG_FAILURE, BOOT_FAILURE),
        "vm.deploy",
        (_phase("prolog", LcmState.PROLOG, PROLOG_FAILURE), _BOOT),
        RUNNING,
    ),
    _job("recover-retry", (EPILOG_FAILURE,), "vm.delete", (_CLEANUP,), DONE),
    _job(
        "recover-retry",
        (PROLOG_MIGRATE_FAILURE, BOOT_MIGRATE_FAILURE, PROLOG_MIGRATE_POWEROFF_FAILURE),
        "vm.start",
        (_phase("boot", LcmState.BOOT_UNKNOWN, UNKNOWN),),
        RUNNING,
    ),
    _job(
        "recover-retry",
        (EPILOG_STOP_FAILURE,),
        "vm.stop-suspended",
        (_phase("epilog", LcmState.EPILOG_STOP, EPILOG_STOP_FAILURE),),
        STOPPED,
    ),
    _job("recover-retry", (EPILOG_UNDEPLOY_FAILURE,), "vm.undeploy-off", (_EPILOG_UNDEPLOY,), UNDEPLOYED),
    _job("recover-retry", (PROLOG_RESUME_FAILURE, BOOT_STOPPED_FAILURE), "vm.deploy-stopped", _RETURN_STOPPED, RUNNING),
    _job(
        "recover-retry",
        (PROLOG_UNDEPLOY_FAILURE, BOOT_UNDEPLOY_FAILURE),
        "vm.deploy-undeployed",
        _RETURN_UNDEPLOYED,
        RUNNING,
    ),
    _now("recover-failure", (PROLOG_MIGRATE_FAILURE, BOOT_MIGRATE_FAILURE, PROLOG_MIGRATE_POWEROFF_FAILURE), POWEROFF),
    _now("recover-failure", (PROLOG_RESUME_FAILURE, BOOT_STOPPED_FAILURE), STOPPED),
    _now("recover-failure", (PROLOG_UNDEPLOY_FAILURE, BOOT_UNDEPLOY_FAILURE), UNDEPLOYED),
    _now("recover-failure", (EPILOG_UNDEPLOY_FAILURE,), POWEROFF),
    _now("recover-failure", (EPILOG_STOP_FAILURE,), UNKNOWN),
    _now("recover-success", (UNKNOWN, BOOT_FAILURE, PROLOG_MIGRATE_FAILURE, BOOT_MIGRATE_FAILURE), RUNNING),
    _now("recover-success", (EPILOG_FAILURE,), DONE),
    _now("recover-success", (EPILOG_STOP_FAILURE,), STOPPED),
    _now("recover-success", (EPILOG_UNDEPLOY_FAILURE,), UNDEPLOYED),
    _now("recover-success", (BOOT_STOPPED_FAILURE, BOOT_UNDEPLOY_FAILURE), RUNNING),
    _now("recover-retry", (CLONING_FAILURE,), PENDING),
    _now("disown", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED), DONE),
    _now("host-lost", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *OFF_HOST, *FAILURES, PENDING, HOLD), HOLD),
    _now("images-ready", (CLONING, CLONING_FAILURE), PENDING),
    _now("images-ready-hold", (CLONING, CLONING_FAILURE), HOLD),
    _now("images-failed", (CLONING,), CLONING_FAILURE),
    _seen(
        "seen-running",
        (POWEROFF, SUSPENDED, UNKNOWN, BOOT_FAILURE, BOOT_MIGRATE_FAILURE, EPILOG_STOP_FAILURE, EPILOG_UNDEPLOY_FAILURE),
        RUNNING,
    ),
    _seen("seen-off", (RUNNING, UNKNOWN, SUSPENDED), POWEROFF),
    _seen("seen-paused", (RUNNING, UNKNOWN, POWEROFF), SUSPENDED),
    _seen("seen-nothing", (RUNNING, SUSPENDED), UNKNOWN),
)


_SAVED = "the disk of a VM whose memory is kept stays as that memory knows it"
_OFF_FIRST = "vm resume and vm poweroff first"
REFUSED: dict[tuple[str, Place], str] = {
    ("migrate", SUSPENDED): "vm stop, then vm deploy --host: the memory goes along",
    ("migrate", UNKNOWN): "vm poweroff first: it may still run there",
    ("disk-snapshot-create", SUSPENDED): _SAVED,
    ("disk-snapshot-revert", SUSPENDED): _SAVED,
    ("disk-snapshot-delete", SUSPENDED): _SAVED,
    **{("disk-saveas", place): _OFF_FIRST for place in (SUSPENDED, *OFF_HOST)},
}
"""What OpenNebula does from a place and this table does not, and why."""


def find(verb: str, place: Place) -> Transition | None:
    """The row for the verb from that place, or None where the table has none."""
    return _INDEX.get((verb, place))


def legal_verbs(place: Place) -> list[str]:
    """Verbs that a person may type for a VM in that place, in the table's order."""
    found = [row.verb for row in TABLE if place in row.sources and not row.observed and row.verb not in _INTERNAL]
    return list(dict.fromkeys(found))


def sources_of(verb: str) -> list[Place]:
    """All places from which the verb is allowed."""
    return [place for row in TABLE if row.verb == verb for place in row.sources]


def transients() -> dict[Place, list[Transition]]:
    """Transient place -> the rows that pass through it."""
    found: dict[Place, list[Transition]] = {}
    for row in TABLE:
        for phase in row.phases:
            found.setdefault(phase.transient, []).append(row)
    return found


def row_for_job(job: str, transient: Place) -> Transition | None:
    """The row whose job of that kind stands in that transient place."""
    for row in TABLE:
        if row.job == job and any(phase.transient == transient for phase in row.phases):
            return row
    return None


_KEPT = frozenset({"deploy-stopped", "deploy-undeployed", "terminate-kept", "recover-delete-kept", "recover-recreate-kept"})
"""How a verb goes where a VM that waits has disks already: `verb_of` in kept.py chooses them."""
_INTERNAL = frozenset({"update-context", "host-lost", "images-ready", "images-ready-hold", "images-failed", *_KEPT})
_INDEX = {(row.verb, place): row for row in TABLE for place in row.sources}

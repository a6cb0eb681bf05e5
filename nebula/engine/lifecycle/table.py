"""The transition table: every way in which a VM's state may change, a row each.

A verb with a job goes through phases: each phase has a transient place in which the VM stands while the phase's steps
run, the place where it goes when the phase fails and its undo worked, and the place where it goes when even the undo
failed. The façade's guards, completion, greyed keys, the documentation's diagram and the property test read this table.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from nebula.engine.lifecycle.states import LcmState, Place, VmState, active

PENDING, HOLD, DONE = Place(VmState.PENDING), Place(VmState.HOLD), Place(VmState.DONE)
POWEROFF, SUSPENDED = Place(VmState.POWEROFF), Place(VmState.SUSPENDED)
CLONING, CLONING_FAILURE = Place(VmState.CLONING), Place(VmState.CLONING_FAILURE)
RUNNING, UNKNOWN = active(LcmState.RUNNING), active(LcmState.UNKNOWN)
PROLOG_FAILURE, BOOT_FAILURE = active(LcmState.PROLOG_FAILURE), active(LcmState.BOOT_FAILURE)
EPILOG_FAILURE = active(LcmState.EPILOG_FAILURE)
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
)


class Recovery(enum.StrEnum):
    """What the next owner does with a job whose runner died."""

    RESUME = "resume"
    """Run the step again from its start; the step asks reality first."""
    IMMEDIATE = "immediate"
    """There is no job: the verb is one transaction."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a job. `name` is what the operation's steps refer to."""

    name: str
    transient: Place
    failure: Place
    stuck: Place


class Transition(msgspec.Struct, frozen=True, kw_only=True):
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


def _seen(verb: str, sources: Iterable[Place], success: Place) -> Transition:
    return Transition(verb=verb, sources=tuple(sources), success=success, observed=True)


_BOOT = _phase("boot", LcmState.BOOT, BOOT_FAILURE)
_EPILOG = _phase("epilog", LcmState.EPILOG, EPILOG_FAILURE)
_CLEANUP = _phase("cleanup", LcmState.CLEANUP_DELETE, EPILOG_FAILURE)

TABLE: tuple[Transition, ...] = (
    _now("hold", (PENDING,), HOLD),
    _now("release", (HOLD,), PENDING),
    _job("deploy", (PENDING, HOLD), "vm.deploy", (_phase("prolog", LcmState.PROLOG, PROLOG_FAILURE), _BOOT), RUNNING),
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
    _job(
        "terminate",
        (RUNNING, UNKNOWN),
        "vm.terminate",
        (_phase("shutdown", LcmState.SHUTDOWN, RUNNING, UNKNOWN), _EPILOG),
        DONE,
    ),
    _job("terminate", (POWEROFF, SUSPENDED), "vm.terminate-off", (_EPILOG,), DONE),
    _now("terminate", WAITING, DONE),
    _job("terminate", FAILURES, "vm.delete", (_CLEANUP,), DONE),
    _job("recover-delete", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *FAILURES), "vm.delete", (_CLEANUP,), DONE),
    _now("recover-delete", WAITING, DONE),
    _job(
        "recover-recreate",
        (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *FAILURES),
        "vm.recreate",
        (_phase("cleanup", LcmState.CLEANUP_RESUBMIT, EPILOG_FAILURE),),
        PENDING,
    ),
    _now("recover-delete-db", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *FAILURES, *WAITING), DONE),
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
    _now("recover-failure", (PROLOG_MIGRATE_FAILURE, BOOT_MIGRATE_FAILURE, PROLOG_MIGRATE_POWEROFF_FAILURE), POWEROFF),
    _now("recover-success", (UNKNOWN, BOOT_FAILURE, PROLOG_MIGRATE_FAILURE, BOOT_MIGRATE_FAILURE), RUNNING),
    _now("host-lost", (RUNNING, UNKNOWN, POWEROFF, SUSPENDED, *FAILURES), HOLD),
    _now("images-ready", (CLONING, CLONING_FAILURE), PENDING),
    _now("images-ready-hold", (CLONING, CLONING_FAILURE), HOLD),
    _now("images-failed", (CLONING,), CLONING_FAILURE),
    _seen("seen-running", (POWEROFF, SUSPENDED, UNKNOWN, BOOT_FAILURE, BOOT_MIGRATE_FAILURE), RUNNING),
    _seen("seen-off", (RUNNING, UNKNOWN, SUSPENDED), POWEROFF),
    _seen("seen-paused", (RUNNING, UNKNOWN, POWEROFF), SUSPENDED),
    _seen("seen-nothing", (RUNNING, SUSPENDED), UNKNOWN),
)


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


_INTERNAL = frozenset({"host-lost", "images-ready", "images-ready-hold", "images-failed"})
_INDEX = {(row.verb, place): row for row in TABLE for place in row.sources}

"""nebula vm log, history, xml and wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.cli.objects import Target, resolve_one
from nebula.cli.output.formats import Field, Table
from nebula.cli.output.text import printable
from nebula.cli.output.values import local_time
from nebula.cli.verbs.common import print_rows
from nebula.cli.waiting import looks, time_limit
from nebula.engine.api.tables import Query
from nebula.engine.lifecycle.names import place_name
from nebula.engine.lifecycle.states import LcmState, VmState, place_named
from nebula.errors import ConflictError, TimedOutError, UsageError
from nebula.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Listing, LogLine
    from nebula.engine.api.verbs import Engine

READY = "READY"
"""No state of OpenNebula's, but what its `READY=YES` says of a VM that is RUNNING."""
_SHOWS = {"seq": "number", "started": "time", "ended": "time", "created": "time", "active": "bool"}


def log(context: Context, line: Invocation) -> int:
    """Print the VM's log; with --follow what comes too."""
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"), gone=True)
        after = engine.system.status().last_event if line.flag("follow") else 0
        printed = _print_log(context, engine.vms.log(target.ref), 0)
        if line.flag("follow"):
            for _ in engine.events.follow(after):
                printed = _print_log(context, engine.vms.log(target.ref), printed)
    return 0


def print_log_line(context: Context, line: LogLine) -> None:
    """One line of any log."""
    level = "" if line.level == "info" else f"{line.level}: "
    source = f"  [{line.source}]" if line.source else ""
    context.write(printable(f"{local_time(line.at)}  {level}{line.text}{source}"))


def _print_log(context: Context, lines: list[LogLine], printed: int) -> int:
    for item in lines[printed:]:
        print_log_line(context, item)
    context.out.flush()
    return len(lines)


def xml(context: Context, line: Invocation) -> int:
    """The domain as its host has it."""
    with context.reader() as engine:
        found = engine.vms.definition(resolve_one(engine, "vm", line.text("ref")).ref)
    for text in found.splitlines():
        context.write(printable(text))
    return 0


def history(context: Context, line: Invocation) -> int:
    """The hosts on which it was."""
    with context.reader() as engine:
        listing = engine.vms.history(resolve_one(engine, "vm", line.text("ref"), gone=True).ref)
    print_rows(context, plain_table(listing), line.text("format"), empty="it was on no host yet")
    return 0


def plain_table(listing: Listing) -> Table:
    """A listing without declared columns."""
    fields = [Field(name, name.upper().replace("_", " "), _SHOWS.get(name, "text")) for name in listing.columns]
    return Table(fields, listing.rows)


def wait(context: Context, line: Invocation) -> int:
    """Until the VM is in one of the states, or its guest has said that it is READY; ConflictError if it ends in DONE instead.
    Where no engine runs, this is one: else nothing would come of what is waited for.
    """
    names = [READY if word.upper() == READY else _state_name(word) for word in line.texts("states")]
    limit = time_limit(line)
    with context.changer() as engine:
        target = resolve_one(engine, "vm", line.text("ref"), gone=True)
        start = context.monotonic()
        for state in looks(engine, lambda: _ready_or_state(engine, target, names)):
            if state in names:
                context.say(f"vm {target.name} ({target.ref}): {state}")
                return 0
            if state == VmState.DONE.name:
                raise ConflictError(
                    f"VM {target.name} is gone and will never be {' or '.join(names)}", hint=f"nebula vm show {target.ref}"
                )
            if limit and context.monotonic() - start >= limit:
                raise TimedOutError(
                    f"VM {target.name} is {state} after {format_duration(limit)}, not {' or '.join(names)}",
                    hint=f"nebula vm describe {target.ref}",
                )
    return 0


def _ready_or_state(engine: Engine, target: Target, names: Sequence[str]) -> str:
    """READY where that is waited for and the guest has said it. ConflictError where it cannot say it."""
    state = state_of(engine, target)
    if READY not in names or state == VmState.DONE.name:
        return state
    shown = engine.vms.show(target.ref).body
    if "ready" not in shown:
        gate = engine.onegate.show()
        why = "its context asks for no token" if gate.endpoint else "guests report nowhere"
        hint = f"nebula vm update {target.ref} --context REPORT_READY=YES" if gate.endpoint else "nebula daemon onegate --help"
        raise ConflictError(f"the guest of VM {target.name} cannot say that it is ready", cause=why, hint=hint)
    return READY if shown["ready"] and state == LcmState.RUNNING.name else state


def state_of(engine: Engine, target: Target) -> str:
    """The name of the VM's state; DONE for one that is gone."""
    listing = engine.vms.list(Query(columns=("state",), filters=(("id", "=", target.ref),), done=True))
    return place_name(*divmod(int(listing.rows[0][0]), 1000)) if listing.rows else VmState.DONE.name


def _state_name(word: str) -> str:
    place = place_named(word)
    if place is None:
        raise UsageError(f"{word!r} is no state of a VM", hint="for example RUNNING, POWEROFF, SUSPENDED, DONE")
    return place.name

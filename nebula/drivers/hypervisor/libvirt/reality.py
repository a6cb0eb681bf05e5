"""What libvirt says of a domain -> our words. One table; numbers are libvirt's, which never change."""

from __future__ import annotations

from typing import NamedTuple

from nebula.model.domain import DomainState


class Word(NamedTuple):
    """A state of ours and, by libvirt's number, its reasons."""

    state: DomainState
    reasons: tuple[str, ...]


_RUNNING = (
    "unknown", "booted", "migrated", "restored", "from_snapshot", "unpaused", "migration_canceled", "save_canceled",
    "wakeup", "crashed", "postcopy", "postcopy_failed",
)  # fmt: skip
_PAUSED = (
    "unknown", "user", "migration", "save", "dump", "io_error", "watchdog", "from_snapshot", "shutting_down", "snapshot",
    "crashed", "starting_up", "postcopy", "postcopy_failed",
)  # fmt: skip
_SHUTOFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "daemon")

STATES: dict[int, Word] = {
    0: Word(DomainState.SHUTOFF, ("no_state",)),
    1: Word(DomainState.RUNNING, _RUNNING),
    2: Word(DomainState.RUNNING, ("blocked",)),
    3: Word(DomainState.PAUSED, _PAUSED),
    4: Word(DomainState.SHUTDOWN, ("unknown", "user")),
    5: Word(DomainState.SHUTOFF, _SHUTOFF),
    6: Word(DomainState.CRASHED, ("unknown", "panicked")),
    7: Word(DomainState.SUSPENDED, ("guest",)),
}
_INCOMING = {"migration", "starting_up", "postcopy"}


def state_of(state: int, reason: int) -> tuple[DomainState, str]:
    """The state and its reason in words; a number that this table has not is `unknown`."""
    word = STATES.get(state, STATES[0])
    return word.state, word.reasons[reason] if 0 <= reason < len(word.reasons) else "unknown"


def may_be_incoming(state: DomainState, reason: str) -> bool:
    """Whether a domain in this state may be a migration's other end; the source looks the same for its last moment."""
    return state is DomainState.PAUSED and reason in _INCOMING


class EventWord(NamedTuple):
    """A kind of event of ours and, by libvirt's number, its reasons."""

    kind: str
    reasons: tuple[str, ...]


EVENTS: dict[int, EventWord] = {
    0: EventWord("defined", ("added", "updated", "renamed", "from_snapshot")),
    1: EventWord("undefined", ("removed", "renamed")),
    2: EventWord("started", ("booted", "migrated", "restored", "from_snapshot", "wakeup")),
    3: EventWord(
        "suspended",
        ("user", "migration", "io_error", "watchdog", "restored", "from_snapshot", "api_error", "postcopy", "postcopy_failed"),
    ),
    4: EventWord("resumed", ("unpaused", "migrated", "from_snapshot", "postcopy", "postcopy_failed")),
    5: EventWord("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot")),
    6: EventWord("shutdown", ("finished", "guest", "host")),
    7: EventWord("suspended", ("guest", "guest")),
    8: EventWord("crashed", ("panicked", "crashloaded")),
}


def event_of(event: int, detail: int) -> tuple[str, str] | None:
    """The kind and reason of a lifecycle event; None for one that we do not know."""
    word = EVENTS.get(event)
    if word is None:
        return None
    return word.kind, word.reasons[detail] if 0 <= detail < len(word.reasons) else "unknown"

"""What a host says of a domain, and what we show: one table.

A silent host says nothing: its VMs become UNKNOWN by `seen-nothing`, never POWEROFF. A domain that runs where it should
not is a finding and never adopted silently.
"""

from __future__ import annotations

from typing import NamedTuple

from nebula.model.domain import DomainReality, DomainState


class Seen(NamedTuple):
    """The verb of the transition table, and the reason shown beside the state. `alarm` is text for people."""

    verb: str
    reason: str
    alarm: str = ""


_OFF_REASONS = {
    "crashed": "crashed",
    "destroyed": "destroyed",
    "shutdown": "shutdown",
    "migrated": "migrated away",
    "failed": "failed",
    "daemon": "libvirtd lost it",
    "saved": "saved",
    "from_snapshot": "reverted to a snapshot",
}


def interpret(reality: DomainReality | None) -> Seen:
    """What a reachable host's answer about a VM that is booked on it means."""
    if reality is None:
        return Seen("seen-nothing", "missing on its host")
    if reality.state is DomainState.CRASHED:
        return Seen("seen-off", "crashed")
    if reality.state is DomainState.SHUTOFF:
        if reality.reason == "migrated":
            return Seen("seen-nothing", "migrated away")
        if reality.saved:
            return Seen("seen-paused", "its memory is saved")
        return Seen("seen-off", _OFF_REASONS.get(reality.reason, reality.reason))
    if reality.state is DomainState.PAUSED:
        return _paused(reality)
    if reality.state is DomainState.SUSPENDED:
        return Seen("seen-paused", "suspended by the guest")
    return Seen("seen-running", "")


def _paused(reality: DomainReality) -> Seen:
    if reality.incoming or reality.reason in {"migration", "postcopy", "starting_up"}:
        return Seen("", "a migration is under way")
    if reality.reason == "io_error":
        return Seen("seen-running", "io_error", "paused for an I/O error: a disk is full or failing")
    if reality.reason == "crashed":
        return Seen("seen-off", "crashed")
    return Seen("seen-paused", f"paused by {reality.reason}" if reality.reason != "user" else "paused by a person")

"""Our words for libvirt's numbers are those of libvirt's own constants."""

from __future__ import annotations

import libvirt
import pytest

from nebula.drivers.hypervisor.libvirt.reality import EVENTS, STATES, event_of, may_be_incoming, state_of
from nebula.model.domain import DomainState

RENAMED = {
    "ioerror": "io_error", "paused": "user", "nostate_unknown": "no_state",
}  # fmt: skip


def constants(prefix: str) -> dict[int, str]:
    """Number -> libvirt's name in small letters, of the constants with that prefix."""
    names = [name for name in dir(libvirt) if name.startswith(prefix) and not name.endswith("_LAST")]
    return {getattr(libvirt, name): name.removeprefix(prefix).lower() for name in names}


@pytest.mark.parametrize(("prefix", "state"), [("RUNNING", 1), ("PAUSED", 3), ("SHUTOFF", 5), ("CRASHED", 6)])
def test_reasons_have_libvirts_names(prefix: str, state: int) -> None:
    known = constants(f"VIR_DOMAIN_{prefix}_")
    assert [RENAMED.get(known[number], known[number]) for number in sorted(known)] == list(STATES[state].reasons)


@pytest.mark.parametrize("kind", ["STARTED", "STOPPED", "RESUMED", "DEFINED", "UNDEFINED", "SHUTDOWN", "CRASHED"])
def test_events_have_libvirts_names(kind: str) -> None:
    known = constants(f"VIR_DOMAIN_EVENT_{kind}_")
    word = EVENTS[getattr(libvirt, f"VIR_DOMAIN_EVENT_{kind}")]
    assert word.kind == kind.lower()
    assert [known[number] for number in sorted(known)] == list(word.reasons)


def test_the_states_have_libvirts_numbers() -> None:
    assert STATES[libvirt.VIR_DOMAIN_PAUSED].state is DomainState.PAUSED
    assert STATES[libvirt.VIR_DOMAIN_SHUTOFF].state is DomainState.SHUTOFF
    assert STATES[libvirt.VIR_DOMAIN_SHUTDOWN].state is DomainState.SHUTDOWN
    assert STATES[libvirt.VIR_DOMAIN_PMSUSPENDED].state is DomainState.SUSPENDED
    assert STATES[libvirt.VIR_DOMAIN_CRASHED].state is DomainState.CRASHED


def test_a_newer_libvirts_numbers_are_unknown_and_no_failure() -> None:
    assert state_of(1, 99) == (DomainState.RUNNING, "unknown")
    assert event_of(5, 99) == ("stopped", "unknown")
    assert event_of(99, 0) is None


def test_an_io_error_and_a_person_are_told_apart_from_a_migration() -> None:
    assert state_of(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR) == (DomainState.PAUSED, "io_error")
    assert event_of(libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR) == ("suspended", "io_error")
    assert may_be_incoming(*state_of(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION))
    assert not may_be_incoming(*state_of(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER))

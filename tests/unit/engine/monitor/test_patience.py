"""A look that lasts: how many failures it counts as, and a host that is shown as lost before its look has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from nebula.engine.lifecycle.states import HostState
from nebula.engine.monitor.patience import Doubt, There, answers
from nebula.errors import UnreachableError
from tests.support.sim import PATIENCE, SETTINGS, Sim, until

AT_ONCE = 0.01
IMPATIENT = msgspec.structs.replace(SETTINGS, look_patience=0.05)


def counted(there: There, enough: int) -> list[int]:
    """What a look tells that lasts until it is told to count as `enough` failures."""
    told: list[int] = []
    over = threading.Event()

    def overdue(failures: int, _there: bool) -> bool:
        told.append(failures)
        if failures == enough:
            over.set()
        return failures == enough

    doubt = Doubt(AT_ONCE, there, overdue)
    assert doubt.beside(lambda: over.wait(PATIENCE))
    until(lambda: doubt.told)
    return told


def heard_by(told: list[int]) -> Callable[[int, bool], bool]:
    """Notes what is told; it is enough at once."""

    def overdue(failures: int, _there: bool) -> bool:
        told.append(failures)
        return True

    return overdue


def test_a_silent_host_fails_from_the_beginning_of_the_look() -> None:
    assert counted(lambda _ended: False, 3) == [2, 3]


def test_a_host_that_is_there_is_slow_which_counts_half() -> None:
    assert counted(lambda _ended: True, 3) == [1, 1, 2, 2, 3]


def test_a_look_that_ends_in_time_is_not_doubted() -> None:
    told: list[int] = []
    doubt = Doubt(3600.0, lambda _ended: False, heard_by(told))
    assert doubt.beside(lambda: "seen") == "seen"
    assert (doubt.told, told) == (False, [])


def test_nothing_is_told_once_the_look_has_ended() -> None:
    asked, ended = threading.Event(), threading.Event()
    told: list[int] = []

    def there(look: threading.Event) -> bool:
        asked.set()
        ended.wait(PATIENCE)
        assert look.is_set()
        return False

    Doubt(AT_ONCE, there, heard_by(told)).beside(lambda: asked.wait(PATIENCE))
    ended.set()
    assert told == []


def test_whether_a_host_answers() -> None:
    def refuses() -> None:
        raise UnreachableError("nobody there")

    ended, hangs, answered = threading.Event(), threading.Event(), threading.Event()
    assert not answers(refuses, AT_ONCE)(ended)
    assert not answers(lambda: hangs.wait(PATIENCE), AT_ONCE)(ended)
    hangs.set()
    until(lambda: answers(answered.set, AT_ONCE)(ended))


def test_a_host_that_is_there_but_tells_nothing_is_lost_too(sim: Sim) -> None:
    sim.restart(IMPATIENT)
    hanging = sim.world.faults.hang("h1", "hypervisor.domains", seconds=3600.0)
    sim.await_host("h1", HostState.ERROR)
    assert sim.host("h1").error in {"host h1 is there, but does not say what runs on it", "host h1 does not answer"}
    sim.world.faults.release(hanging)
    sim.await_host("h1", HostState.MONITORED)


@pytest.mark.parametrize("operation", ["monitor.sample", "hypervisor.domains"])
def test_a_host_that_falls_silent_is_lost_while_the_look_still_hangs(sim: Sim, operation: str) -> None:
    sim.add_vm("one")
    sim.restart(IMPATIENT)
    name = sim.where("one")
    hanging = sim.world.faults.hang(name, operation, seconds=3600.0)
    mute = sim.world.faults.error(name, "transport.run", "unreachable", times=-1)
    sim.await_host(name, HostState.ERROR)
    sim.await_state("one", "UNKNOWN")
    assert sim.world.faults.hanging() == [(name, operation, "")]
    assert "does not answer" in sim.host(name).error
    sim.world.faults.release(mute)
    sim.world.faults.release(hanging)
    sim.await_host(name, HostState.MONITORED)
    sim.await_state("one", "RUNNING")
    sim.assert_sound()


def test_a_host_is_lost_while_an_event_is_followed(sim: Sim) -> None:
    sim.add_vm("one")
    sim.restart(msgspec.structs.replace(IMPATIENT, monitor_interval=3600.0))
    assert sim.engine.monitor.first_looks(PATIENCE)
    name, uuid = sim.where("one"), sim.vm("one").uuid
    hanging = sim.world.faults.hang(name, "hypervisor.lookup", seconds=3600.0)
    mute = sim.world.faults.error(name, "transport.run", "unreachable", times=-1)
    sim.world.virsh(name, "suspend", uuid)
    sim.await_host(name, HostState.ERROR)
    sim.world.faults.release(mute)
    sim.world.faults.release(hanging)

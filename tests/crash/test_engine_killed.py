"""The engine is killed (SIGKILL) before and after everything that each kind of job changes on a host; the next one ends the
job, and nothing is lost, leaked or doubled."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from nebula.drivers.sim.operations import CHANGING
from nebula.drivers.sim.world import SimWorld
from nebula.engine.jobs.registry import OPERATIONS
from tests.crash.cases import CASES, NOT_HERE
from tests.crash.conftest import Homes
from tests.crash.world import When, assert_sound, deed, do_and_die, kinds_of_jobs

POINTS = [
    pytest.param(name, operation, when, id=f"{name} {when} {operation}")
    for name, case in CASES.items()
    for operation in dict.fromkeys(case.operations)
    for when in ("before", "after")
]


@pytest.mark.parametrize(("name", "operation", "when"), POINTS)
def test_killed_at_every_change(homes: Homes, tmp_path: Path, name: str, operation: str, when: When) -> None:
    case = CASES[name]
    home = homes(case, tmp_path / "home")
    world = SimWorld(home / "sim.db")
    world.faults.kill("*", operation, when)
    world.close()
    status = do_and_die(home, deed(case.verb, home))
    assert status == -signal.SIGKILL, f"{operation} is no part of {name}: take it out of the table"
    states = assert_sound(home)
    assert tuple(states.values()) == case.ends
    assert case.kind in kinds_of_jobs(home)


def test_every_kind_of_job_is_killed_at_what_it_does() -> None:
    """A kind of job that is new wants a row in CASES."""
    assert {case.kind for case in CASES.values()} == set(OPERATIONS)
    assert all(case.operations for case in CASES.values())


def test_every_operation_that_changes_a_host_is_a_point_to_be_killed_at() -> None:
    """An operation of a driver that is new wants to be named in a case."""
    assert {operation for case in CASES.values() for operation in case.operations} >= CHANGING - set(NOT_HERE)
    assert set(NOT_HERE) <= CHANGING

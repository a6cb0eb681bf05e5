"""The engine is killed (SIGKILL) before and after everything that each kind of job changes on a host; the next one ends the
job, and nothing is lost, leaked or doubled."""

from __future__ import annotations

import shutil
from pathlib import Path

from nebula.drivers.sim.operations import CHANGING
from nebula.engine.jobs.registry import OPERATIONS
from tests.crash.cases import CASES, NOT_HERE, Case
from tests.crash.conftest import Homes
from tests.crash.moments import AtOperations, moments
from tests.crash.world import assert_sound, deed, kinds_of_jobs


def test_killed_at_every_change(homes: Homes, tmp_path: Path, case: Case) -> None:
    home = homes(case, tmp_path / "home")
    killed = moments(home, deed(case.verb, home), AtOperations(case.operations), tmp_path / "killed")
    expected = {f"{when} {operation}" for operation in case.operations for when in ("before", "after")}
    assert killed.keys() == expected, f"{expected - killed.keys()} is no part of the job: take it out of the table"
    for place, moment in {place: moment for moment, place in killed.items()}.items():
        states = assert_sound(place)
        assert tuple(states.values()) == case.ends, moment
        assert case.kind in kinds_of_jobs(place), moment
        shutil.rmtree(place)


def test_every_kind_of_job_is_killed_at_what_it_does() -> None:
    """A kind of job that is new wants a row in CASES."""
    assert {case.kind for case in CASES.values()} == set(OPERATIONS)
    assert all(case.operations for case in CASES.values())


def test_every_operation_that_changes_a_host_is_a_point_to_be_killed_at() -> None:
    """An operation of a driver that is new wants to be named in a case."""
    assert {operation for case in CASES.values() for operation in case.operations} >= CHANGING - set(NOT_HERE)
    assert set(NOT_HERE) <= CHANGING

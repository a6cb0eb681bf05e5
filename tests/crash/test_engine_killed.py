"""The engine is killed (SIGKILL) before and after every commit of each kind of job, and everything that it changes on a host;
the next one ends the job, and nothing is lost, leaked or doubled."""

from __future__ import annotations

import shutil
from pathlib import Path

from nebula.drivers.sim.operations import CHANGING
from nebula.engine.jobs.registry import OPERATIONS
from tests.crash.cases import CASES, NOT_HERE, Case, possible_ends
from tests.crash.conftest import Homes
from tests.crash.moments import AtCommits, AtOperations, moments
from tests.crash.world import assert_sound, deed, kinds_of_jobs

_MOST = 40
"""A verb with more commits than that does something again and again."""


def test_killed_at_every_commit_and_change(homes: Homes, tmp_path: Path, case: Case) -> None:
    """What was answered is done; what was not is done, or was never begun. At its changes a job was begun: it is ended."""
    home = homes(case, tmp_path / "home")
    found = moments(home, deed(case.verb, home), (AtCommits(), AtOperations(case.operations)), tmp_path / "killed")
    changes = {f"{when} {operation}" for operation in case.operations for when in ("before", "after")}
    commits = found.keys() - changes
    assert changes <= found.keys(), f"{changes - found.keys()} is no part of the job: take it out of the table"
    assert {"after commit 1", "after commit 2"} <= commits, "there was nothing to be killed at"
    assert len(commits) < 2 * _MOST
    for place in set(found.values()):
        alike = {moment for moment, where in found.items() if where == place}
        unbegun = {homes.quiet(case).states} if not (place / "answered").exists() else set()
        ends = tuple(assert_sound(place).values())
        if alike & changes:
            assert ends == case.ends, alike
            assert case.kind in kinds_of_jobs(place), alike
        else:
            assert ends in possible_ends(case) | unbegun, alike
        shutil.rmtree(place)


def test_every_kind_of_job_is_killed_at_what_it_does() -> None:
    """A kind of job that is new wants a row in CASES."""
    assert {case.kind for case in CASES.values()} == set(OPERATIONS)
    assert all(case.operations for case in CASES.values())


def test_every_operation_that_changes_a_host_is_a_point_to_be_killed_at() -> None:
    """An operation of a driver that is new wants to be named in a case."""
    assert {operation for case in CASES.values() for operation in case.operations} >= CHANGING - set(NOT_HERE)
    assert set(NOT_HERE) <= CHANGING

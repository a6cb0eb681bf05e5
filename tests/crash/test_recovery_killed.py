"""The engine is killed in the middle of every kind of job, and again and again while it recovers."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from nebula.drivers.sim.world import SimWorld
from tests.crash.cases import Case, possible_ends
from tests.crash.conftest import Homes
from tests.crash.world import StatementKill, assert_sound, deed, do_and_die, recover

IN_THE_MIDDLE = (4, 3, 2)
"""The commit after which the first engine dies: the last of these that the job has. Some are short, and commits of several
writers may be one.
"""
LATER = (3, 7, 13)
"""How many calls to hosts each recovery does before it is killed too."""


def test_killed_while_it_recovers(homes: Homes, tmp_path: Path, case: Case) -> None:
    """The first engine dies in the middle of the job, and so do those that take it up."""
    before = homes.quiet(case)
    home = _killed(homes, tmp_path, case)
    unbegun = set() if _jobs(home) > before.jobs else {before.states}  # the first commits may be a monitor's
    for calls in LATER:
        world = SimWorld(home / "sim.db")
        world.faults.kill("*", "*", "before", after=calls)
        world.close()
        do_and_die(home, recover)  # a short job may be done before its turn comes
    world = SimWorld(home / "sim.db")
    world.faults.release()
    world.close()
    assert tuple(assert_sound(home).values()) in possible_ends(case) | unbegun


def _jobs(home: Path) -> int:
    """How many a home has that nobody owns now."""
    with closing(sqlite3.connect(home / "nebula.db")) as database:
        return int(database.execute('SELECT COUNT(*) FROM "job"').fetchone()[0])


def _killed(homes: Homes, tmp_path: Path, case: Case) -> Path:
    """A home whose engine was killed in the middle of the job."""
    for number in IN_THE_MIDDLE:
        home = homes(case, tmp_path / f"home-{number}")
        if do_and_die(home, deed(case.verb, home), StatementKill("COMMIT", number, "after")) == -signal.SIGKILL:
            return home
    raise AssertionError("nothing was killed")

"""Homes are prepared once for all tests that begin alike, and copied."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.crash.cases import CASES, Case
from tests.crash.world import assert_sound, deed, do, furnish, kinds_of_jobs

T = TypeVar("T")


class Quiet(NamedTuple):
    """The states of a home's VMs, and how many jobs were ever filed there."""

    states: tuple[str, ...]
    jobs: int


class Homes:
    """Homes as they are before a case's verb; all processes of a test run share those that were made once, below `shared`."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        shared.mkdir(exist_ok=True)

    def __call__(self, case: Case, place: Path) -> Path:
        """A copy at `place`, with the fault ordered that the case wants."""
        home = Path(shutil.copytree(self._prepared(case.storage, case.before), place))
        if case.fails:
            world = SimWorld(home / "sim.db")
            world.faults.error("*", case.fails, "command")
            world.close()
        return home

    def quiet(self, case: Case) -> Quiet:
        """What an owner finds who does nothing."""
        home = self._prepared(case.storage, case.before)
        return self._once(f"{home.name}.quiet", lambda place: _look(home, place), _read)

    def _prepared(self, storage: str, before: tuple[str, ...]) -> Path:
        def make(home: Path) -> None:
            if before:
                shutil.copytree(self._prepared(storage, before[:-1]), home)
                do(home, deed(before[-1], home))
            else:
                furnish(home, storage=storage)

        return self._once("-".join((storage, *before)), make, Path)

    def _once(self, name: str, make: Callable[[Path], None], read: Callable[[Path], T]) -> T:
        """`read` of what `make` left at a path of that name, whichever process was first."""
        found = self._shared / name
        with (self._shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not found.exists():
                new = self._shared / f"{name}.{os.getpid()}"
                make(new)
                new.rename(found)
        return read(found)


def _look(home: Path, place: Path) -> None:
    copy = Path(shutil.copytree(home, place.with_suffix(".copy")))
    jobs = len(kinds_of_jobs(copy))
    place.write_text(json.dumps([list(assert_sound(copy).values()), jobs]))
    shutil.rmtree(copy)


def _read(place: Path) -> Quiet:
    states, jobs = json.loads(place.read_text())
    return Quiet(tuple(states), jobs)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Makes homes."""
    own = tmp_path_factory.getbasetemp()
    return Homes((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the cases."""
    return CASES[request.param]


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path for a socket."""
    with tempfile.TemporaryDirectory(prefix="nebula-") as directory:
        yield Path(directory) / "engine.sock"

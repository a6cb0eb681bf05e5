"""Homes are prepared once for all tests that begin alike, and copied."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.crash.cases import CASES, Case
from tests.crash.world import deed, do, furnish

Homes = Callable[[Case, Path], Path]


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """(case, place) -> a home there, as it is before the case's verb, with the fault ordered that the case wants."""
    made: dict[tuple[str, tuple[str, ...]], Path] = {}

    def prepared(case: Case) -> Path:
        key = (case.storage, case.before)
        if key not in made:
            home = tmp_path_factory.mktemp("prepared")
            furnish(home, storage=case.storage)
            for verb in case.before:
                do(home, deed(verb, home))
            made[key] = home
        return made[key]

    def copied(case: Case, place: Path) -> Path:
        home = Path(shutil.copytree(prepared(case), place))
        if case.fails:
            world = SimWorld(home / "sim.db")
            world.faults.error("*", case.fails, "command")
            world.close()
        return home

    return copied


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the cases."""
    return CASES[request.param]


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path for a socket."""
    with tempfile.TemporaryDirectory(prefix="nebula-") as directory:
        yield Path(directory) / "engine.sock"

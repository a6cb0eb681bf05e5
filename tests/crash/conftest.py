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

    def prepared(storage: str, before: tuple[str, ...]) -> Path:
        key = (storage, before)
        if key in made:
            return made[key]
        home = tmp_path_factory.mktemp("prepared") / "home"
        if before:
            shutil.copytree(prepared(storage, before[:-1]), home)
            do(home, deed(before[-1], home))
        else:
            furnish(home, storage=storage)
        made[key] = home
        return home

    def copied(case: Case, place: Path) -> Path:
        home = Path(shutil.copytree(prepared(case.storage, case.before), place))
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

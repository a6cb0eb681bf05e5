"""Fixtures of the engine's tests. A furnished home is made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sim import Sim, sim_engine


@pytest.fixture(scope="session")
def furnished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hosts, a datastore, a network and an image; nobody owns it."""
    home = tmp_path_factory.mktemp("furnished") / "home"
    with sim_engine(home):
        pass
    return home


@pytest.fixture
def home(furnished_home: Path, tmp_path: Path) -> Path:
    """A furnished home of the test's own."""
    return Path(shutil.copytree(furnished_home, tmp_path / "home"))


@pytest.fixture
def sim(home: Path) -> Iterator[Sim]:
    """An engine at work in a furnished home."""
    with sim_engine(home, furnished=False) as made:
        yield made


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Sim]:
    """An engine at work that has no host yet."""
    with sim_engine(tmp_path / "home", furnished=False) as made:
        yield made

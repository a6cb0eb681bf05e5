"""The engine keeps its contract whoever owns the home: this process, a daemon, or another command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.verbs import Engine
from tests.contract.engine import *  # noqa: F403
from tests.support.ways import WAYS


@pytest.fixture(params=WAYS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with WAYS[request.param](tmp_path / "home") as made:
        yield made

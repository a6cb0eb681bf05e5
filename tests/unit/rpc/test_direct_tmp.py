"""The engine keeps its contract directly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.verbs import Engine
from nebula.engine.local.engine import own
from tests.contract.engine import *  # noqa: F403


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    local = own(tmp_path / "home", "daemon")
    assert local is not None
    yield local
    local.close()

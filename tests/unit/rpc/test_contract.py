"""The engine keeps its contract through the socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.verbs import Engine
from nebula.engine.local.engine import own
from nebula.rpc.client import RemoteEngine
from nebula.rpc.server import Server
from tests.contract.engine import *  # noqa: F403


@pytest.fixture
def engine(place: Path, tmp_path: Path) -> Iterator[Engine]:
    local = own(tmp_path / "home", "daemon")
    assert local is not None
    with Server(local, place, replace=True):
        remote = RemoteEngine(place)
        yield remote
        remote.close()
    local.close()

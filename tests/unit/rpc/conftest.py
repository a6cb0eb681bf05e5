from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebula.rpc.client import RemoteEngine
from nebula.rpc.link import Waits
from nebula.rpc.server import Server
from tests.unit.rpc.small import SmallEngine


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path for a socket; pytest's own directories are too long for `sun_path` on some machines."""
    with tempfile.TemporaryDirectory(prefix="nebula-") as directory:
        yield Path(directory) / "engine.sock"


@pytest.fixture
def engine() -> SmallEngine:
    return SmallEngine()


@pytest.fixture
def server(engine: SmallEngine, place: Path) -> Iterator[Server]:
    with Server(engine.facade, place, actor_of=lambda peer: f"uid {peer.uid}") as running:
        yield running
        engine.hosts.let.set()


@pytest.fixture
def connect(place: Path) -> Iterator[Callable[[], RemoteEngine]]:
    """Makes clients of the socket."""
    made: list[RemoteEngine] = []

    def one() -> RemoteEngine:
        made.append(RemoteEngine(place, waits=Waits(hello=5.0, answer=20.0, handover=3.0)))
        return made[-1]

    yield one
    for client in made:
        client.close()


@pytest.fixture
def client(server: Server, connect: Callable[[], RemoteEngine]) -> RemoteEngine:
    return connect()

"""Clients of the engine that owns a home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit import cluster_source  # noqa: F401 - finds nebula
from benchkit.errors import BenchError
from nebula.engine.owner import owner
from nebula.rpc.client import RemoteEngine, try_connect

CONNECT_SECONDS = 5.0


def socket_of(home: Path) -> Path:
    """Where the owner of the home listens; BenchError if nobody does."""
    told = owner(home).get("socket")
    if not told:
        raise BenchError(f"nobody serves {home}", hint=f"nebula --home {home} status")
    return Path(str(told))


@contextmanager
def client(home: Path) -> Iterator[RemoteEngine]:
    """A client with a connection of its own."""
    made = try_connect(socket_of(home), CONNECT_SECONDS)
    if made is None:
        raise BenchError(f"the owner of {home} does not answer", hint=f"nebula --home {home} status")
    try:
        yield made
    finally:
        made.close()

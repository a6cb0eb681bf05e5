"""VMs taken in a second, each durable before its answer: in this process and through the socket, by one client and by eight."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchkit.cluster import CLIENTS, create, engine, furnish
from benchkit.cluster_figure import PEER, few, figure
from benchkit.cluster_socket import client
from benchkit.daemon import daemon
from benchkit.figure import Figure
from benchkit.suite import Bench, load
from nebula.engine.api.verbs import Engine
from nebula.engine.local.engine import LocalEngine

CALLS = 200
WARM = 20
COMMITS = f"an fdatasync each, SQLite's checkpoints come after answers; {PEER}: 12 fdatasync"
PEERS = f"{PEER}: 232/s where fdatasync takes 0.1 ms, 20 to 30/s at 4 ms, 12 of them a VM"


def run(bench: Bench) -> Iterator[Figure]:
    """The disk first: no answered change can be quicker. The VMs are held, so that nothing else happens to them."""
    [disk] = load("fsync").run(bench)
    yield figure("fdatasync of the home's disk", "ms", disk.samples)
    beside = f"{PEERS}; here {disk.median:.2f} ms"
    with engine(bench.scratch / "home") as local:
        furnish(local, 1)
        yield from _in_process(bench, local, beside)
    yield from _through_socket(bench, bench.scratch / "home", beside)


def _in_process(bench: Bench, local: LocalEngine, beside: str) -> Iterator[Figure]:
    for clients in (1, CLIENTS):
        name = _name(clients, "in-process")
        before = local.services.store.commits
        seconds = _timed(bench, [local] * clients)
        commits = local.services.store.commits - before
        yield from _speed(name, clients, seconds, beside)
        calls = WARM + CALLS * len(seconds)
        yield figure(f"{name}, commits a call", "", [commits / calls], COMMITS)


def _through_socket(bench: Bench, home: Path, beside: str) -> Iterator[Figure]:
    with daemon(str(bench.program), home, os.environ):
        for clients in (1, CLIENTS):
            with ExitStack() as stack:
                seconds = _timed(bench, [stack.enter_context(client(home)) for _ in range(clients)])
                yield from _speed(_name(clients, "through the socket"), clients, seconds, beside)


def _timed(bench: Bench, clients: list[Engine]) -> list[float]:
    """Seconds of each round of CALLS."""
    create(clients, range(WARM), hold=True)
    return [create(clients, range(CALLS), hold=True) for _ in range(few(bench))]


def _speed(name: str, clients: int, seconds: list[float], beside: str) -> Iterator[Figure]:
    yield figure(name, "/s", [CALLS / taken for taken in seconds], beside)
    if clients == 1:
        yield figure(f"{name}, a call", "ms", [taken * 1000 / CALLS for taken in seconds])


def _name(clients: int, way: str) -> str:
    return f"allocate {way}, {clients} client{'s' if clients > 1 else ''}"

"""The disk under the engine's home: how long it takes to make 4 kB durable, which no answered change can be quicker than."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.timing import repeated

BLOCK = b"\0" * 4096


def run(bench: Bench) -> Iterator[Figure]:
    """One append and fdatasync after the other, as SQLite's log does it."""
    handle = os.open(bench.scratch / "probe", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        yield Figure("fdatasync of 4 kB", "ms", repeated(lambda: _append(handle), bench.rounds * 5))
    finally:
        os.close(handle)


def _append(handle: int) -> None:
    os.write(handle, BLOCK)
    os.fdatasync(handle)

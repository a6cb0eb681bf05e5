"""A place in memory for what tests write: a transaction's fsync costs nothing there, and most tests make hundreds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PLACE = Path("/dev/shm")  # noqa: S108 - what is made there is new
ROOM = 6 << 30
"""Bytes that must be free there and in memory: several times what the unit tests have there at once."""


@contextmanager
def temporary(place: Path = PLACE, room: int = ROOM) -> Iterator[Mapping[str, str]]:
    """What a phase's environment says of temporary files: nothing where memory is scarce. All of it is gone at the end."""
    if not place.is_dir() or min(shutil.disk_usage(place).free, _available()) < room:
        yield {}
        return
    directory = place / f"u{os.getpid()}"  # no longer than it must be: names of sockets have little room
    directory.mkdir()  # nobody else's: it fails for one that is there
    directory.chmod(0o711)  # other users of tests and hosts pass through it
    try:
        yield {"TMPDIR": str(directory)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _available() -> int:
    """Bytes of memory that processes can still have."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) << 10

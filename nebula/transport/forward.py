"""Where tunnels end on this machine, and how they are taken down."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from nebula.errors import UsageError

LONGEST_PATH = 106
"""Bytes of a Unix socket's path (`sun_path` holds 107 and a NUL; one is kept in reserve)."""


_PREFIX = "nebula-"
_FRESH = 60.0
"""Seconds in which a directory that was just made gets its lock."""


class DirectForward:
    """What needs no tunnel: the address itself."""

    def __init__(self, local: str) -> None:
        self.local = local

    def close(self) -> None:
        """See Forward.close."""


class Tunnel:
    """A tunnel whose end here is `local`; `end` takes it down."""

    def __init__(self, local: str, end: Callable[[], None]) -> None:
        self.local = local
        self._end: Callable[[], None] | None = end

    def close(self) -> None:
        """See Forward.close."""
        end, self._end = self._end, None
        if end is not None:
            end()


class SocketPlace:
    """A private directory (0700) with room for one socket; `path` is the socket's. It is locked as long as we live."""

    def __init__(self) -> None:
        parent = _short_directory()
        _sweep(parent)
        self._directory = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        self._lock = _locked(self._directory)
        self.path = f"{self._directory}/s"

    def remove(self) -> None:
        """Take the directory away; doing so twice is fine."""
        shutil.rmtree(self._directory, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


@cache
def _sweep(parent: Path) -> None:
    """Take away what killed processes left there: once a process."""
    for place in parent.glob(f"{_PREFIX}????????"):
        with contextlib.suppress(OSError):
            if _looks_left(place):
                _remove_unlocked(place)


def _looks_left(place: Path) -> bool:
    """Made by us, a while ago, for a socket and nothing else."""
    found = place.lstat()
    ours = found.st_mode == stat.S_IFDIR | 0o700 and found.st_uid == os.geteuid()
    return ours and time.time() - found.st_mtime > _FRESH and {entry.name for entry in place.iterdir()} <= {"s"}


def _remove_unlocked(place: Path) -> None:
    lock = _locked(str(place))
    if lock is not None:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _locked(directory: str) -> int | None:
    """The directory, open with a lock on it; None: somebody else has that."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _short_directory() -> Path:
    for candidate in (os.environ.get("XDG_RUNTIME_DIR", ""), "/run", "/tmp"):  # noqa: S108 - mkdtemp makes ours private
        room = len(os.fsencode(candidate)) + len("/nebula-12345678/s") <= LONGEST_PATH
        if candidate.startswith("/") and room and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise UsageError("no directory for the tunnels' sockets", cause="neither $XDG_RUNTIME_DIR nor /run nor /tmp can be written")

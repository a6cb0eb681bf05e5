"""Where tunnels end on this machine, and how they are taken down."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from nebula.errors import UsageError

LONGEST_PATH = 106
"""Bytes of a Unix socket's path (`sun_path` holds 107 and a NUL; one is kept in reserve)."""


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
    """A private directory (0700) with room for one socket; `path` is the socket's."""

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp(prefix="nebula-", dir=_short_directory())
        self.path = f"{self._directory}/s"

    def remove(self) -> None:
        """Take the directory away; doing so twice is fine."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _short_directory() -> Path:
    for candidate in (os.environ.get("XDG_RUNTIME_DIR", ""), "/run", "/tmp"):  # noqa: S108 - mkdtemp makes ours private
        room = len(os.fsencode(candidate)) + len("/nebula-12345678/s") <= LONGEST_PATH
        if candidate.startswith("/") and room and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    raise UsageError("no directory for the tunnels' sockets", cause="neither $XDG_RUNTIME_DIR nor /run nor /tmp can be written")

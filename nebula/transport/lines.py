"""Bytes as they come, cut into lines."""

from __future__ import annotations

import re
from collections.abc import Callable

_END = re.compile(rb"[\r\n]")
_LONGEST = 1 << 16


class LineSplitter:
    """Feeds `on_line` with lines, their end (newline or carriage return) cut off; empty ones are left out.

    A line longer than 64 KiB is handed over in pieces, so that a tool which never ends one cannot fill the memory.
    """

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line, self._rest = on_line, b""

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        *lines, self._rest = _END.split(self._rest + chunk)
        for line in lines:
            self._give(line)
        if len(self._rest) > _LONGEST:
            self.finish()

    def finish(self) -> None:
        """No more bytes: the last line may lack its end."""
        rest, self._rest = self._rest, b""
        self._give(rest)

    def _give(self, line: bytes) -> None:
        if line:
            self._on_line(line)

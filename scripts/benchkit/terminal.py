"""A program at a terminal of its own: what it draws and when, and keys for it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from .errors import BenchError

_CHUNK = 1 << 16
_END = 20.0


class Terminal:
    """`argv` runs until the block ends. `drawn` counts the bytes that it wrote."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], *, columns: int = 160, lines: int = 45) -> None:
        self.started = time.monotonic()
        self.drawn = 0
        self._seen = b""
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", lines, columns, 0, 0)
            fcntl.ioctl(1, termios.TIOCSWINSZ, size)
            os.execvpe(argv[0], list(argv), {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"})  # noqa: S606 - argv, no shell

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _END
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            self._read(0.1)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
        os.close(self._handle)

    def until(self, text: str, patience: float = 60.0) -> float:
        """Seconds from now until the text is drawn; what was drawn before does not count after it."""
        began = time.monotonic()
        while text.encode() not in self._seen:
            if time.monotonic() - began > patience:
                raise BenchError(f"{text!r} was not drawn within {patience:g} s", hint=repr(self._seen[-300:]))
            self._read(0.5)
        self._seen = self._seen.partition(text.encode())[2]
        return time.monotonic() - began

    def rest(self, seconds: float) -> int:
        """Let it draw for so long; how many bytes it wrote."""
        before, until = self.drawn, time.monotonic() + seconds
        while time.monotonic() < until:
            self._read(max(0.0, min(0.1, until - time.monotonic())))
        self._seen = b""
        return self.drawn - before

    def type(self, text: str) -> None:
        """Keys."""
        os.write(self._handle, text.encode())

    def _read(self, timeout: float) -> None:
        if not select.select([self._handle], [], [], timeout)[0]:
            return
        try:
            data = os.read(self._handle, _CHUNK)
        except OSError:
            time.sleep(timeout)
            return
        self.drawn += len(data)
        self._seen = (self._seen + data)[-(1 << 18) :]

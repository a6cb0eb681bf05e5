"""A process of this machine: its bytes in and out in one thread, and its end, wanted or not."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from nebula.cancel import CancelToken
from nebula.errors import InterruptedByUser, TimedOutError
from nebula.transport.outcome import Ended, bounded

_CHUNK = 1 << 18
_GRACE = 8.0
"""Seconds that the guard gets to end a command (it kills hard after 2)."""


class Pump:
    """One process from its start to its end. `blocks` is its stdin, which stays open afterwards until the process ended.

    `timeout` is for the whole, `stall` for the time in which it takes no byte of a stdin that is not at its end; seconds.
    """

    def __init__(
        self,
        name: str,
        title: str,
        blocks: Iterator[bytes],
        *,
        timeout: float | None = None,
        stall: float | None = None,
        on_chunk: Callable[[bytes], None] | None = None,
        after_step: Callable[[], None] | None = None,
    ) -> None:
        self._name, self._title, self._blocks = name, title, blocks
        self._timeout, self._stall = timeout, stall
        self._on_chunk, self._after_step = on_chunk, after_step
        self._out = {"stdout": bytearray(), "stderr": bytearray()}
        self._waiting = b""

    def run(self, argv: Sequence[str], cancel: CancelToken | None) -> Ended:
        """Start it and see it through; TimedOutError and InterruptedByUser once it is gone."""
        wake = _Wake()
        forget = cancel.on_set(wake.up) if cancel else lambda: None
        try:
            process = _started(argv)
            with process, selectors.DefaultSelector() as selector:
                selector.register(wake, selectors.EVENT_READ, "wake")
                self._see_through(process, selector, cancel)
        except _NotStartedError as error:
            return Ended(127, b"", str(error).encode())
        finally:
            forget()
            wake.close()
        return Ended(_status(process.returncode), bytes(self._out["stdout"]), bytes(self._out["stderr"]))

    def _see_through(
        self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector, cancel: CancelToken | None
    ) -> None:
        try:
            self._register(process, selector)
            self._talk(process, selector, cancel)
            process.wait()
        finally:
            _end(process)

    def _register(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
        for stream, what in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            selector.register(_pipe(stream), selectors.EVENT_READ, what)
        os.set_blocking(_pipe(process.stdin).fileno(), False)
        self._waiting = next(self._blocks, b"")
        if self._waiting:
            selector.register(_pipe(process.stdin), selectors.EVENT_WRITE, "stdin")

    def _talk(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector, cancel: CancelToken | None) -> None:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        open_outputs = 2
        while open_outputs:
            events = selector.select(self._patience(deadline))
            if cancel is not None and cancel.is_set():
                raise InterruptedByUser(cancel.reason or "cancelled")
            self._check_time(deadline, bool(events))
            for key, _ in events:
                if key.data == "stdin":
                    self._give(_pipe(process.stdin), selector)
                elif not self._take(key, selector):
                    open_outputs -= 1
            if self._after_step is not None:
                self._after_step()

    def _patience(self, deadline: float | None) -> float | None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        limits = [seconds for seconds in (left, self._stall if self._waiting else None) if seconds is not None]
        return min(limits) if limits else None

    def _check_time(self, deadline: float | None, moved: bool) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise TimedOutError(f"{self._title} on host {self._name} took longer than {self._timeout:g} s")
        if self._stall is not None and self._waiting and not moved:
            raise TimedOutError(f"{self._title} on host {self._name} moved no byte for {self._stall:g} s")

    def _take(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> bool:
        chunk = os.read(key.fd, _CHUNK)
        if not chunk:
            selector.unregister(key.fileobj)
            return False
        self._out[key.data] += chunk
        bounded(self._name, self._title, len(self._out[key.data]))
        if key.data == "stdout" and self._on_chunk is not None:
            self._on_chunk(chunk)
        return True

    def _give(self, stdin: IO[bytes], selector: selectors.BaseSelector) -> None:
        """A process that ends before it read all says why with its status, so a broken pipe is no error."""
        try:
            self._waiting = self._waiting[os.write(stdin.fileno(), self._waiting) :] or next(self._blocks, b"")
        except BrokenPipeError:
            self._waiting = b""
        if not self._waiting:
            selector.unregister(stdin)


class _NotStartedError(Exception):
    """The program is not there."""


class _Wake:
    """Something to wait for that another thread can make happen, before or after nobody waits any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader, self._writer = socket.socketpair()

    def fileno(self) -> int:
        return self._reader.fileno()

    def up(self) -> None:
        with self._lock:
            if self._writer.fileno() >= 0:
                self._writer.send(b"!")

    def close(self) -> None:
        with self._lock:
            self._writer.close()
            self._reader.close()


def _started(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(list(argv), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0)
    except FileNotFoundError as error:
        raise _NotStartedError(f"{argv[0]}: {error.strerror}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """The end of stdin is what the guard takes for the order to kill; only a guard that does not follow is killed itself."""
    for stream in (process.stdin, process.stdout, process.stderr):
        _pipe(stream).close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("a process without its pipe")
    return stream


def _status(code: int) -> int:
    """The guard's shell reports a command that a signal ended as 128 plus the signal."""
    return 128 - code if 128 < code < 192 else code

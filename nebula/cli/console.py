"""A serial console on this terminal: raw while it lasts, put back as it was whatever ends it."""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nebula.errors import NebulaError, UsageError

if TYPE_CHECKING:
    from nebula.engine.api.verbs import ByteStream

LEAVE = b"\x1d"
"""Ctrl-]."""
_READ = 0.2
"""Seconds for which the console is asked for bytes before we look whether we are to stop."""
_CHUNK = 4096


class Ending(NamedTuple):
    """How a console ended: the person left it, it closed by itself, or a signal came; and that in words."""

    how: Literal["left", "closed", "signal"]
    words: str


class _Signalled(Exception):
    """SIGTERM or SIGHUP came."""


def attach(stream: ByteStream, keyboard: int, screen: int) -> Ending:
    """Join the console and two file descriptors until Ctrl-], the end of the console, or a signal; says which it was.

    UsageError if the keyboard is no terminal.
    """
    if not os.isatty(keyboard):
        raise UsageError("the console needs a terminal to type on", hint="nebula vm log VM shows what the VM did")
    with raw_terminal(keyboard), signals():
        try:
            return _Session(stream, keyboard, screen).run()
        except _Signalled as signalled:
            return Ending("signal", str(signalled))


@contextmanager
def raw_terminal(keyboard: int) -> Iterator[None]:
    """Every key goes through as it is; afterwards the terminal is as it was."""
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextmanager
def signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the console like Ctrl-], so that the terminal is put back."""

    def stop(number: int, _: FrameType | None) -> None:
        raise _Signalled(f"ended by {signal.Signals(number).name}")

    before: dict[int, Any] = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """A thread brings what the guest says; this one brings what is typed. A pipe tells each of the other's end."""

    def __init__(self, stream: ByteStream, keyboard: int, screen: int) -> None:
        self._stream, self._keyboard, self._screen = stream, keyboard, screen
        self._stopping = threading.Event()
        self._wake, self._waker = os.pipe()
        self._ended = ""
        self._problem: NebulaError | None = None

    def run(self) -> Ending:
        """Until somebody ends it."""
        reader = threading.Thread(target=self._bring, name="console", daemon=True)
        reader.start()
        try:
            return self._type()
        finally:
            self._stopping.set()
            self._stream.close()
            reader.join(_READ * 10)
            os.close(self._wake)
            os.close(self._waker)

    def _bring(self) -> None:
        try:
            while not self._stopping.is_set():
                write_all(self._screen, self._stream.read(_READ))
        except EOFError:
            self._ended = "the console ended"
        except NebulaError as problem:
            self._problem = problem
        except OSError as problem:
            self._ended = f"the console ended: {problem.strerror or problem}"
        if not self._stopping.is_set():
            os.write(self._waker, b".")

    def _type(self) -> Ending:
        while True:
            ready, _, _ = select.select([self._keyboard, self._wake], [], [])
            if self._wake in ready:
                if self._problem is not None:
                    raise self._problem
                return Ending("closed", self._ended)
            typed = os.read(self._keyboard, _CHUNK)
            before, leave, _ = typed.partition(LEAVE)
            if before:
                self._stream.write(before)
            if leave or not typed:
                return Ending("left", "left the console")


def write_all(descriptor: int, data: bytes, write: Callable[[int, bytes], int] = os.write) -> None:
    """Write every byte."""
    while data:
        data = data[write(descriptor, data) :]

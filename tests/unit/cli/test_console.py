"""The serial console on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import queue
import signal
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from nebula.cli.console import attach, raw_terminal
from nebula.cli.objects import Target
from nebula.cli.verbs import vm_access
from nebula.errors import UnreachableError, UsageError


class Echo:
    """A guest that answers what is typed, in capitals; `end` ends it."""

    def __init__(self, end: Exception | None = None) -> None:
        self.said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.closed = False
        self._end = end

    def read(self, timeout: float) -> bytes:
        """What was typed, in capitals."""
        try:
            return self.said.get(timeout=timeout)
        except queue.Empty:
            if self._end is not None:
                raise self._end from None
            return b""

    def write(self, data: bytes) -> None:
        """Type."""
        self.said.put(data.upper())

    def close(self) -> None:
        """Let go."""
        self.closed = True


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """(our end, the program's end) of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def _later(action: object, *arguments: object) -> threading.Timer:
    timer = threading.Timer(0.2, action, arguments)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_keys_go_in_and_the_guests_words_come_out_until_the_leave_key(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before, guest = termios.tcgetattr(theirs), Echo()
    shown, screen = os.pipe()
    _later(os.write, ours, b"hello\r\x03")
    threading.Timer(0.6, os.write, (ours, b"\x1drest")).start()
    assert attach(guest, theirs, screen) == ("left", "left the console")
    os.close(screen)
    assert os.read(shown, 100) == b"HELLO\r\x03"
    os.close(shown)
    assert guest.closed
    assert termios.tcgetattr(theirs) == before


@pytest.mark.parametrize(
    ("end", "said"),
    [(EOFError(), "the console ended"), (OSError(5, "Input/output error"), "the console ended: Input/output error")],
)
def test_the_consoles_own_end(terminal: tuple[int, int], end: Exception, said: str) -> None:
    before = termios.tcgetattr(terminal[1])
    assert attach(Echo(end), terminal[1], terminal[1]) == ("closed", said)
    assert termios.tcgetattr(terminal[1]) == before


def test_an_error_of_the_engine_is_passed_on_and_the_terminal_put_back(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    with pytest.raises(UnreachableError):
        attach(Echo(UnreachableError("host a1 is gone")), terminal[1], terminal[1])
    assert termios.tcgetattr(terminal[1]) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_put_the_terminal_back(terminal: tuple[int, int], number: signal.Signals) -> None:
    before, handler = termios.tcgetattr(terminal[1]), signal.getsignal(number)
    _later(os.kill, os.getpid(), number)
    assert attach(Echo(), terminal[1], terminal[1]) == ("signal", f"ended by {number.name}")
    assert termios.tcgetattr(terminal[1]) == before
    assert signal.getsignal(number) == handler


def test_any_exception_puts_the_terminal_back(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    with pytest.raises(ZeroDivisionError), raw_terminal(terminal[1]):
        _fail_while_raw(terminal[1], before)
    assert termios.tcgetattr(terminal[1]) == before


def _fail_while_raw(keyboard: int, before: list[object]) -> None:
    assert termios.tcgetattr(keyboard) != before
    raise ZeroDivisionError


def test_without_a_terminal_it_is_a_usage_error() -> None:
    reading, writing = os.pipe()
    with pytest.raises(UsageError, match="terminal"):
        attach(Echo(), reading, writing)
    os.close(reading)
    os.close(writing)


class Dying:
    """A reader of an engine whose host says of a guest, one after the other, what is in `states`."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    @contextmanager
    def reader(self) -> Iterator[SimpleNamespace]:
        """The engine."""
        yield SimpleNamespace(vms=self)

    def show(self, ref: str, refresh: bool = False) -> SimpleNamespace:
        """The next one; the last one for ever."""
        assert (ref, refresh) == ("7", True)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return SimpleNamespace(body={"state": "RUNNING", "domain": {"state": state}})


def test_a_guest_that_ends_closes_its_console_before_its_host_says_that_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_access, "_AGAIN", 0.0)
    dying: Any = Dying("running", "running", "shutoff")
    vm_access._require_off(dying, Target("7", "web"))
    assert dying.states == ["shutoff"]


def test_a_console_that_ends_while_its_guest_goes_on_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_access, "_DYING", 0.0)
    going_on: Any = Dying("running")
    with pytest.raises(UnreachableError, match="the console of VM web was lost"):
        vm_access._require_off(going_on, Target("7", "web"))

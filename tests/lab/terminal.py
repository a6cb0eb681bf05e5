"""A program on a terminal of its own, as a person has it: what it shows, what is typed, what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Terminal:
    """A program whose stdin, stdout and stderr are one terminal, which is also its controlling one."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None, *, size: tuple[int, int] = (24, 80)
    ) -> None:
        self._ours, self.tty = pty.openpty()
        self.resize(*size)
        self.shown = ""
        self.process = subprocess.Popen(
            ["setsid", "-c", "-w", *argv], stdin=self.tty, stdout=self.tty, stderr=self.tty, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self.tty)

    def expect(self, text: str, *, seconds: float = 60.0) -> str:
        """Read until `text` is shown after what earlier calls read up to; returns what came before it."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            ready = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0]
            assert ready, f"waited {seconds:.0f} s in vain for {text!r} after {self.shown!r}"
            self.shown += os.read(self._ours, 4096).decode(errors="replace")
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._ours, text.encode())

    def line(self, text: str) -> None:
        """Type it and Enter."""
        self.type(f"{text}\r")

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size; the program hears of it by SIGWINCH."""
        fcntl.ioctl(self.tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        """How the terminal is set (`termios.tcgetattr`)."""
        return termios.tcgetattr(self.tty)

    def signal(self, number: int) -> None:
        """Send a signal to the program itself, which `setsid` waits for."""
        os.kill(self.child(), number)

    def child(self) -> int:
        """The program's process id."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else pid

    def end(self, *, seconds: float = 60.0) -> int:
        """Read until it has ended; its exit status."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it has not ended after {seconds:.0f} s: {self.shown!r}"
            self._drain(0.05)
        self._drain(0.0)
        return self.process.returncode

    def _drain(self, seconds: float) -> None:
        while select.select([self._ours], [], [], seconds)[0]:
            self.shown += os.read(self._ours, 4096).decode(errors="replace")
            seconds = 0.0

"""One piece of work with a limit on its time, its output shown as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 20.0
"""How long an overdue phase has to clean up after each signal."""
KEPT_LINES = 3
Say = Callable[[str], object]
"""Gets each line, with its end."""


@dataclass(frozen=True)
class Phase:
    """What to run, and for how long at most."""

    name: str
    argv: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How a phase ended; `closing` are its last lines."""

    phase: Phase
    status: int
    seconds: float
    closing: Sequence[str]

    @property
    def overdue(self) -> bool:
        """Whether it was ended because its time was up."""
        return self.seconds >= self.phase.seconds

    def __str__(self) -> str:
        result = "ok" if self.status == 0 else f"took longer than {self.phase.seconds:.0f} s" if self.overdue else "FAILED"
        return f"{self.phase.name:<12} {self.seconds:6.1f} s  {result}"


def run(phase: Phase, environment: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Outcome:
    """Run a phase in a process group of its own, with nothing on its standard input."""
    with beside(phase, environment, cwd, say=_print) as running:
        return running.outcome()


@contextmanager
def beside(
    phase: Phase, environment: Mapping[str, str] = os.environ, cwd: Path | None = None, *, say: Say | None = None
) -> Iterator[Running]:
    """A phase that runs while others do. Without `say` its lines are kept until somebody asks how it ended. Nothing of it is
    left behind.
    """
    running = Running(phase, environment, cwd, say)
    try:
        yield running
    except BaseException:
        running.end()
        raise


class Running:
    """A phase that was started; its time runs from there."""

    def __init__(self, phase: Phase, environment: Mapping[str, str], cwd: Path | None, say: Say | None) -> None:
        self._phase, self._began = phase, time.monotonic()
        self._held: list[str] = []
        self._say = say or self._held.append
        self._closing: deque[str] = deque(maxlen=KEPT_LINES)
        self._say(f"\n== {phase.name}: {' '.join(phase.argv)} (at most {phase.seconds:.0f} s)\n")
        self._process = subprocess.Popen(
            phase.argv,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._ended = 0.0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def outcome(self) -> Outcome:
        """How it ended, once it has; lines that were held back are shown now."""
        status = _wait(self._process, max(0.0, self._began + self._phase.seconds - time.monotonic()))
        self._reader.join(GRACE_SECONDS)
        for line in self._held:
            _print(line)
        return Outcome(self._phase, status, (self._ended or time.monotonic()) - self._began, tuple(self._closing))

    def end(self) -> None:
        """Whatever it does: it is wanted no more."""
        if self._process.poll() is None:
            _end(self._process)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._say(line)
            if line.strip():
                self._closing.append(line.rstrip())
        self._ended = time.monotonic()


def _print(line: str) -> None:
    print(line, end="", flush=True)


def _wait(process: subprocess.Popen[str], seconds: float) -> int:
    """The exit status; an overdue process is interrupted, then asked to end, then killed, with all that it started."""
    try:
        for limit, number in ((seconds, signal.SIGINT), (GRACE_SECONDS, signal.SIGTERM), (GRACE_SECONDS, signal.SIGKILL)):
            try:
                return process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, number)
        return process.wait(GRACE_SECONDS)
    except KeyboardInterrupt:
        _end(process)
        raise


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt, then kill what does not end."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(GRACE_SECONDS)

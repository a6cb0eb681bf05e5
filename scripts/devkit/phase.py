"""One piece of work with a limit on its time, its output shown as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 20.0
"""How long an overdue phase has to clean up after each signal."""
KEPT_LINES = 3


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
    print(f"\n== {phase.name}: {' '.join(phase.argv)} (at most {phase.seconds:.0f} s)", flush=True)
    began = time.monotonic()
    process = subprocess.Popen(
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
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    shower = threading.Thread(target=_show, args=(process, kept), daemon=True)
    shower.start()
    status = _wait(process, phase.seconds)
    took = time.monotonic() - began
    shower.join(GRACE_SECONDS)
    return Outcome(phase, status, took, tuple(kept))


def _show(process: subprocess.Popen[str], kept: deque[str]) -> None:
    for line in process.stdout or ():
        print(line, end="", flush=True)
        if line.strip():
            kept.append(line.rstrip())


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

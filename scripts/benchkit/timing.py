"""Taking times."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from .errors import BenchError

WARM_UP = 3
COMMAND_SECONDS = 60.0


def interleaved(
    commands: Mapping[str, Sequence[str]], rounds: int, environment: Mapping[str, str] = os.environ
) -> dict[str, list[float]]:
    """Milliseconds that each command takes from start to end, `rounds` times in turn, so that a busy moment hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(WARM_UP + rounds):
        for name, argv in commands.items():
            milliseconds = once(argv, environment)
            if number >= WARM_UP:
                taken[name].append(milliseconds)
    return taken


def once(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> float:
    """Milliseconds from start to end of a command; raises `BenchError` if it fails."""
    null = subprocess.DEVNULL
    began = time.perf_counter()
    process = subprocess.Popen(argv, env=dict(environment), stdin=null, stdout=null, stderr=null)
    _wait_for_end(process)
    milliseconds = (time.perf_counter() - began) * 1000
    status = process.wait()
    if status != 0:
        raise BenchError(f"{' '.join(argv)} ended with {status}", hint=" ".join(argv))
    return milliseconds


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Wake up the moment it ends: `Popen.wait` with a limit looks only every 50 ms."""
    handle = os.pidfd_open(process.pid)
    try:
        if not select.select([handle], [], [], COMMAND_SECONDS)[0]:
            process.kill()
            raise BenchError(f"process {process.pid} took longer than {COMMAND_SECONDS:.0f} s")
    finally:
        os.close(handle)


def repeated(action: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds that each of `rounds` calls takes, after a warm-up."""
    taken = []
    for number in range(WARM_UP + rounds):
        began = time.perf_counter()
        action()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - began) * 1000)
    return taken

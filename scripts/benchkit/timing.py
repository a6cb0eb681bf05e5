"""Taking times."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from .errors import BenchError

WARM_UP = 3


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
    status = subprocess.Popen(argv, env=dict(environment), stdin=null, stdout=null, stderr=null).wait(60)
    milliseconds = (time.perf_counter() - began) * 1000
    if status != 0:
        raise BenchError(f"{' '.join(argv)} ended with {status}", hint=" ".join(argv))
    return milliseconds


def repeated(action: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds that each of `rounds` calls takes, after a warm-up."""
    taken = []
    for number in range(WARM_UP + rounds):
        began = time.perf_counter()
        action()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - began) * 1000)
    return taken

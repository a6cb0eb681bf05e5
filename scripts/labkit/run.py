"""Running the machine's own tools: argv lists only, every one with a limit on its time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

DEFAULT_SECONDS = 60.0


def run(argv: Sequence[str], *, stdin: str | None = None, seconds: float = DEFAULT_SECONDS, cwd: Path | None = None) -> str:
    """The standard output of `argv`; a failure or more than `seconds` raises `LabError` with the tool's own words."""
    done = attempt(argv, stdin=stdin, seconds=seconds, cwd=cwd)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)} ended with {done.returncode}: {words}")
    return done.stdout


def attempt(
    argv: Sequence[str], *, stdin: str | None = None, seconds: float = DEFAULT_SECONDS, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `argv` and hand back its result whatever its exit status; only a missing tool or a timeout raises `LabError`."""
    try:
        return subprocess.run(
            list(argv), input=stdin or "", capture_output=True, text=True, timeout=seconds, cwd=cwd, check=False
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed on this machine", hint="scripts/lab up 1") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)} took longer than {seconds:.0f} s") from error

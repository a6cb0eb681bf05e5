"""Showing what is typed, running it, waiting for what comes of it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .errors import QuickstartError

COMMAND_SECONDS = 900.0
LOOK_SECONDS = 10.0
Answer = TypeVar("Answer")


def show(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Print a command as a person would type it, and run it; raises `QuickstartError` if it fails."""
    print(f"\n$ {shlex.join(argv)}", flush=True)
    try:
        done = subprocess.run(argv, env=dict(environment), stdin=subprocess.DEVNULL, timeout=COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise QuickstartError(f"{shlex.join(argv)} took longer than {COMMAND_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise QuickstartError(f"{shlex.join(argv)} ended with {done.returncode}", hint="scripts/quickstart --clean")


def ask(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Any:
    """The JSON that a command prints; None if it fails."""
    done = subprocess.run(
        argv, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def wait_for(what: str, look: Callable[[], Answer | None], seconds: float) -> Answer:
    """Look once a second until there is an answer; raises `QuickstartError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := look()) is None:
        if time.monotonic() > deadline:
            raise QuickstartError(f"{what} did not come within {seconds:.0f} s", hint="scripts/quickstart --clean")
        time.sleep(1)
    return answer


def page(url: str) -> str | None:
    """What a web server answers, if it does."""
    try:
        with urllib.request.urlopen(url, timeout=LOOK_SECONDS) as answer:  # noqa: S310 - http to the guest's own address
            return str(answer.read(4096).decode(errors="replace"))
    except (urllib.error.URLError, OSError):
        return None

"""Processes known by pid and start time, so that a number used again by a stranger is never ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError


@dataclass(frozen=True)
class Process:
    """One process: its pid and the kernel's start time in clock ticks since boot."""

    pid: int
    start: int


def process(pid: int) -> Process:
    """The process that has `pid` now; raises `LabError` if there is none."""
    start = _start_time(pid)
    if start is None:
        raise LabError(f"process {pid} ended before it could be recorded")
    return Process(pid, start)


def alive(known: Process | None) -> bool:
    """Whether this very process still runs."""
    return known is not None and _start_time(known.pid) == known.start


def kill(known: Process | None, *, seconds: float = 20.0) -> None:
    """End the process with SIGKILL and wait until it is gone; one that is gone already is fine."""
    if known is None or not alive(known):
        return
    os.kill(known.pid, signal.SIGKILL)
    wait_until(lambda: not alive(known), seconds=seconds, what=f"process {known.pid} to end")


def only_child(parent: Process) -> Process | None:
    """The one child of `parent`, once it has one."""
    path = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    pids = path.read_text().split() if path.exists() else []
    return process(int(pids[0])) if pids else None


def in_namespace(init: Process) -> list[tuple[Process, str]]:
    """Every process of the pid namespace whose first process is `init`, with its command name; `init` itself left out."""
    wanted = _pid_namespace(init.pid)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == init.pid or _pid_namespace(int(entry.name)) != wanted:
            continue
        start, name = _start_time(int(entry.name)), _command(int(entry.name))
        if start is not None and name is not None:
            found.append((Process(int(entry.name), start), name))
    return found


def wait_until(met: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll `met` until it is true; raises `LabError` naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None for a process that is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _pid_namespace(pid: int) -> str | None:
    """None for a process that is gone, or that this machine shows to nobody (and so is none of ours)."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _command(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None

"""A person at `virsh console`, on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time

from .handle import PROGRAM, LabHandle, eventually

ESCAPE = b"\x1d"


def converse(lab: LabHandle, host: str, domain: str, line: str, expected: str, *, seconds: float = 60.0) -> str:
    """Type `line` on the domain's console and read until `expected` is said; fails the test after `seconds`."""
    ours, theirs = pty.openpty()
    lab_argv = [sys.executable, "-B", str(PROGRAM), "--dir", str(lab.directory), "--name", lab.name]
    argv = [*lab_argv, "exec", host, "virsh", "console", domain]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as virsh:
        os.close(theirs)
        _read_until(ours, "Escape character", seconds)
        eventually(lambda: _is_raw(ours), "virsh to take the terminal, which drops what was typed before")
        os.write(ours, line.encode() + b"\r")
        said = _read_until(ours, expected, seconds)
        os.write(ours, ESCAPE)
        virsh.wait(timeout=seconds)
    os.close(ours)
    return said


def _is_raw(terminal: int) -> bool:
    return not termios.tcgetattr(terminal)[3] & termios.ICANON


def _read_until(terminal: int, expected: str, seconds: float) -> str:
    said, end = "", time.monotonic() + seconds
    while expected not in said:
        ready = select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]
        assert ready, f"waited {seconds:.0f} s in vain for {expected!r} after {said!r}"
        said += os.read(terminal, 4096).decode(errors="replace")
    return said

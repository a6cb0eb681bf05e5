"""A limited host's own /proc/meminfo, stat and so on: without `lxcfs` each host would report the whole machine."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from . import proc
from .run import attempt
from .spec import Lab, save

PACKAGE = "lxcfs"
SHOWN = ("stat", "meminfo", "cpuinfo", "uptime", "loadavg", "swaps", "diskstats")


def binds(lab: Lab) -> list[list[str]]:
    """What to bind over the host's /proc, as source and target."""
    return [[str(_mount(lab) / "proc" / name), f"/proc/{name}"] for name in SHOWN] if lab.options.limited() else []


def start(lab: Lab) -> None:
    """Run one `lxcfs` for the lab if its hosts are limited."""
    if not lab.options.limited():
        return
    _mount(lab).mkdir()
    argv = ["lxcfs", "-f", "-l", "-p", str(lab.root / "lxcfs.pid"), str(_mount(lab))]
    with (lab.root / "lxcfs.log").open("wb") as log:
        started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)
    lab.lxcfs = proc.process(started.pid)
    save(lab)
    proc.wait_until((_mount(lab) / "proc" / "meminfo").exists, seconds=20, what="lxcfs")


def stop(lab: Lab) -> None:
    """End the lab's `lxcfs` and take its mount away."""
    if lab.lxcfs is None:
        return
    known = lab.lxcfs
    if proc.alive(known):
        os.kill(known.pid, signal.SIGTERM)
        proc.wait_until(lambda: not proc.alive(known), seconds=20, what="lxcfs to end")
    if _mount(lab).is_mount():
        attempt(["umount", "-l", str(_mount(lab))])
    lab.lxcfs = None


def _mount(lab: Lab) -> Path:
    return lab.root / "lxcfs"

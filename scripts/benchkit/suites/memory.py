"""Memory of a daemon: of one that has nothing to do, and after it brought many VMs from nothing to RUNNING."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchkit.cluster import CLIENTS, await_, create, furnish, new_home, running
from benchkit.cluster_figure import PEER, few, figure
from benchkit.cluster_sizes import sizes
from benchkit.cluster_socket import client
from benchkit.daemon import daemon
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.api.verbs import Engine

CALM = 2.0
"""Seconds between the last work and the look."""
IDLE = f"{PEER}: 21 MiB"
AFTER = f"{PEER}: 1434 to 1638 MiB after 1000"


def run(bench: Bench) -> Iterator[Figure]:
    """Resident memory of the daemon's process, in MiB; simulated hosts and their world are in it."""
    yield figure("idle", "MiB", [_idle(bench, number) for number in range(few(bench, 3))], IDLE)
    home, there = new_home(bench.scratch / "home"), 0
    with daemon(str(bench.program), home, os.environ) as pid, ExitStack() as stack:
        clients = [stack.enter_context(client(home)) for _ in range(CLIENTS)]
        furnish(clients[0])
        for vms in sizes(bench, 1000, large=(10_000,)):
            create([*clients], range(there, vms), hold=False)
            there = vms
            _await_running(clients[0], vms)
            time.sleep(CALM)
            yield figure(f"after a burst of {vms}", "MiB", [resident(pid)], AFTER)


def _await_running(target: Engine, vms: int) -> None:
    await_(lambda: running(target) == vms, f"{vms} VMs that run", pause=0.2)


def _idle(bench: Bench, number: int) -> float:
    home = new_home(bench.scratch / f"idle-{number}")
    with daemon(str(bench.program), home, os.environ) as pid:
        time.sleep(CALM)
        return resident(pid)


def resident(pid: int) -> float:
    """MiB of a process that are in memory."""
    return resident_in(Path(f"/proc/{pid}/status").read_text())


def resident_in(status: str) -> float:
    """MiB, from the text of /proc/PID/status."""
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024

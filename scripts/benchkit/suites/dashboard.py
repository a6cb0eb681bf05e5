"""The dashboard: its first rows, how long a key takes to show while VMs change, what refreshing costs and writes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit.cluster import CALL, HOSTS, PATIENCE, QUIET, engine, furnish
from benchkit.cluster_figure import figure
from benchkit.cluster_fill import fill
from benchkit.cluster_sizes import sizes
from benchkit.cluster_socket import client
from benchkit.daemon import daemon
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.terminal import Terminal
from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call

CALM = 3.0
KEYS, SIGN = 60, "¤"
CHANGES = 200
"""A second."""
WINDOW = 5.0
SETTLED = 8.0
"""Seconds after which all that is made once is there."""


def run(bench: Bench) -> Iterator[Figure]:
    """One home that grows."""
    home, there = bench.scratch / "home", 0
    for vms in sizes(bench, 1000, 5000, large=()):
        with engine(home, QUIET) as local:
            if not there:
                furnish(local, HOSTS)
            fill(local, vms - there)
            there = vms
            local.monitor.first_looks(PATIENCE)
        with daemon(str(bench.program), home, os.environ):
            time.sleep(CALM)
            yield from _figures(bench, home, vms)


def _figures(bench: Bench, home: Path, vms: int) -> Iterator[Figure]:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(bench.scratch)}
    argv = [str(bench.program), "--home", str(home), "tui", "vm"]
    first = []
    for _ in range(max(3, bench.rounds)):
        with Terminal(argv, environment) as seen:
            frame = seen.until("Overview")
            first.append((frame, time.monotonic() - seen.started if seen.until("RUNNING") >= 0 else 0.0))
    yield figure(f"the frame, {vms} VMs", "ms", [1000 * frame for frame, _ in first])
    yield figure(f"the first rows, {vms} VMs", "ms", [1000 * rows for _, rows in first])
    with Terminal(argv, environment) as seen:
        seen.until("RUNNING")
        seen.rest(2.0)
        yield from _latency(f"a key shows, {vms} VMs, calm", _keys(seen))
        yield Figure(f"drawn in a calm second, {vms} VMs", "KiB", [seen.rest(WINDOW) / WINDOW / 1024])
        with _changes(home, vms):
            seen.rest(2.0)
            yield from _latency(f"a key shows, {vms} VMs, {CHANGES} changes/s", _keys(seen))
            cpu = _cpu(seen.pid)
            drawn = seen.rest(WINDOW)
            yield Figure(f"drawn a second, {vms} VMs, {CHANGES} changes/s", "KiB", [drawn / WINDOW / 1024])
            yield Figure(f"CPU of it, {vms} VMs, {CHANGES} changes/s", "%", [100 * (_cpu(seen.pid) - cpu) / WINDOW])
    yield from _blocks(bench, home, vms, environment)


def _blocks(bench: Bench, home: Path, vms: int, environment: dict[str, str]) -> Iterator[Figure]:
    """How long one thing held the event loop at most, while somebody types and VMs change."""
    report = bench.scratch / f"blocks-{vms}.json"
    argv = [sys.executable, "-m", "benchkit.watched_loop", str(report), "--home", str(home), "tui", "vm"]
    with Terminal(argv, {**environment, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}) as seen, _changes(home, vms):
        seen.until("RUNNING")
        seen.rest(SETTLED)
        _told(seen, report)
        _keys(seen)
        seen.rest(WINDOW)
        found = _told(seen, report)
    yield Figure(f"the loop's longest block, {vms} VMs, {CHANGES} changes/s", "ms", [1000 * found["longest"]])
    yield Figure(f"the most CPU in one of its turns, {vms} VMs, {CHANGES} changes/s", "ms", [1000 * found["busiest"]])


def _told(seen: Terminal, report: Path) -> dict[str, float]:
    """What the watch says, which begins anew then."""
    report.unlink(missing_ok=True)
    os.kill(seen.pid, signal.SIGUSR1)
    for _ in range(100):
        seen.rest(0.1)
        if report.exists():
            found: dict[str, float] = json.loads(report.read_text())
            return found
    raise BenchError("the dashboard whose loop is watched did not answer")


def _latency(name: str, samples: list[float]) -> Iterator[Figure]:
    yield figure(name, "ms", samples)
    yield figure(f"{name}: p95", "ms", [sorted(samples)[int(0.95 * len(samples))]])


def _keys(seen: Terminal) -> list[float]:
    """Milliseconds until a letter that is typed behind `:` is seen."""
    seen.type(":")
    seen.rest(0.3)
    found = []
    for _ in range(KEYS):
        seen.type(SIGN)
        found.append(1000 * seen.until(SIGN))
        seen.rest(0.05)
    seen.type("\x1b")
    seen.rest(0.5)
    return found


def _cpu(pid: int) -> float:
    """Seconds of CPU that the process used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _changes(home: Path, vms: int) -> Iterator[None]:
    """Somebody changes VMs, so often a second."""
    stop = threading.Event()

    def change() -> None:
        with client(home) as there:
            refs = [str(row[0]) for row in there.vms.list(Query(columns=("id",), limit=500)).rows]
            number, began = 0, time.monotonic()
            while not stop.is_set():
                call = Call(actor=CALL.actor, key=f"bench-{os.getpid()}-{vms}-{number}")
                there.vms.rename(refs[number % len(refs)], f"vm-{vms}-{number}", call)
                number += 1
                stop.wait(max(0.0, began + number / CHANGES - time.monotonic()))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

"""Watching 500 hosts with 20 VMs each: processor seconds an interval, those that the simulator itself takes beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchkit.cluster import await_, engine, furnish
from benchkit.cluster_figure import PEER, few, figure
from benchkit.cluster_fill import fill
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.local.engine import LocalEngine
from nebula.engine.monitor.sampling import look
from nebula.engine.settings import Settings
from nebula.engine.store.rows import HostRow

HOSTS = 500
VMS = 20
INTERVAL = 5.0
WRITING_LOOKS = 2
"""A host's first looks write its figures, later ones only every five minutes."""


def run(bench: Bench) -> Iterator[Figure]:
    """Whole intervals of the engine's own monitor; then the same looks alone, without the engine."""
    with engine(bench.scratch / "home", Settings(monitor_interval=INTERVAL), in_memory=True) as local:
        furnish(local, HOSTS)
        fill(local, HOSTS * VMS)
        await_(lambda: min(_looks(local)) >= WRITING_LOOKS, "the first looks at every host", pause=0.2)
        taken = [_interval(local) for _ in range(few(bench, 3))]
        local.monitor.stop()
        alone = [_simulator(local) for _ in range(few(bench, 3))]
    yield figure(
        f"{HOSTS} hosts with {VMS} VMs, an interval", "CPU s", taken, f"{PEER}: 0.2 core a host; goal under 5 at one in 10 s"
    )
    yield figure("the same looks by one thread, engine apart", "CPU s", alone)


def _looks(local: LocalEngine) -> list[int]:
    """How many samples there are of each host."""
    ids = [row.id for row in local.services.store.read().select(HostRow)]
    return [local.monitor.recent.looks(host_id) for host_id in ids]


def _interval(local: LocalEngine) -> float:
    """Processor seconds for one look at every host. The looks are counted: a host's interval begins when its look ends, so
    that a window of that length need not hold one of each.
    """
    before, began = sum(_looks(local)), time.process_time()
    time.sleep(INTERVAL)
    taken = time.process_time() - began
    looks = sum(_looks(local)) - before
    if not looks:
        raise BenchError(f"no host was looked at within {INTERVAL:g} s")
    return taken * HOSTS / looks


def _simulator(local: LocalEngine) -> float:
    hosts = local.services.store.read().select(HostRow)
    began = time.process_time()
    for host in hosts:
        look(local.services, host)
    return time.process_time() - began

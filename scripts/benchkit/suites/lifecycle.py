"""From PENDING to RUNNING on 20 simulated hosts without latency: all VMs wait at one moment, the last one ends the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchkit.cluster import CLIENTS, HOSTS, PATIENCE, create, engine, furnish, running
from benchkit.cluster_figure import PEER, few, figure
from benchkit.cluster_sizes import sizes
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.lifecycle.moves import move
from nebula.engine.lifecycle.states import Place, VmState
from nebula.engine.local.engine import LocalEngine
from nebula.engine.store.rows import VmRow
from nebula.engine.store.transaction import Transaction

SEVERAL = 1000
"""Up to so many VMs, the whole is done more than once."""


class Run(NamedTuple):
    """Seconds by the clock, and of all the processor's cores."""

    wall: float
    cpu: float


def run(bench: Bench) -> Iterator[Figure]:
    """Each number of VMs in a fresh home."""
    for vms in sizes(bench, 100, 1000, large=(10_000,)):
        rounds = few(bench, 3) if vms <= SEVERAL else 1
        runs = [once(bench.scratch / f"{vms}-{number}", vms) for number in range(rounds)]
        beside = f"{PEER}: 40 to 60 s" if vms == 1000 else ""
        yield figure(f"{vms} PENDING to RUNNING", "s", [run.wall for run in runs], beside)
        yield figure(f"{vms} PENDING to RUNNING, processor a VM", "ms", [run.cpu * 1000 / vms for run in runs])


def once(home: Path, vms: int) -> Run:
    """A new cluster, the VMs held, then let go in one transaction."""
    with engine(home, in_memory=True) as local:
        furnish(local, HOSTS)
        create([local] * CLIENTS, range(vms), hold=True)
        wall, cpu = time.perf_counter(), time.process_time()
        local.services.store.write(_all_pending)
        _settle(local, vms)
        return Run(time.perf_counter() - wall, time.process_time() - cpu)


def _all_pending(tx: Transaction) -> None:
    for vm in tx.select(VmRow, '"state"=? ORDER BY "id"', (int(VmState.HOLD),)):
        move(tx, vm, Place(VmState.PENDING))


def _settle(local: LocalEngine, vms: int) -> None:
    idle = local.wait_idle(PATIENCE)
    if (found := running(local)) != vms:
        raise BenchError(f"{found} of {vms} VMs run, and the engine {'is idle' if idle else 'still works'}")

"""What requirements and ranks add to a plan: 1,000 VMs, 200 hosts; CPU time of `place` alone, nothing is read or written."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

from benchkit.cluster_figure import few, figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.engine.scheduler.expressions import HOST, Value, requirement
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView

NEEDS_PROGRAM = False
HOSTS = 200
VMS = 1000
_SHARED = 'FREE_MEMORY > 4G & ARCH = x86_64 & (RACK = 3 | NAME = "host-1*") & RUNNING_VMS < 100'
_CASES = (
    ("without", "", ""),
    ("one requirement for all", _SHARED, ""),
    ("a requirement a VM", _SHARED + " & ID != {0}", ""),
    ("a requirement a VM that no host meets", "RACK > 100 & ID != {0}", ""),
    ("one rank for all", "", "FREE_CPU / 100 - RUNNING_VMS * 2"),
    ("a requirement and a rank a VM", _SHARED + " & ID != {0}", "FREE_CPU - RUNNING_VMS * {0}"),
)


def run(bench: Bench) -> Iterator[Figure]:
    """Cases are measured in turn, so that a busy machine slows all of them."""
    samples: dict[str, list[float]] = {name: [] for name, _, _ in _CASES}
    snapshots = {name: _snapshot(required, ranked) for name, required, ranked in _CASES}
    for _ in range(few(bench)):
        for name, snapshot in snapshots.items():
            samples[name].append(_milliseconds(snapshot))
    for name, taken in samples.items():
        yield figure(f"place {VMS} VMs on {HOSTS} hosts, {name}", "ms", taken)
    yield figure("one evaluation of a condition with five terms", "µs", [_evaluation() for _ in range(few(bench))])
    yield figure("memory of a plan with a requirement a VM", "MiB", [_memory(snapshots["a requirement a VM"])])


def _snapshot(required: str, ranked: str) -> ClusterSnapshot:
    vms = tuple(
        VmView(
            id=number, name=f"vm-{number}", cpu=10, memory=512, requirements=required.format(number + HOSTS),
            rank=ranked.format(number),
        )
        for number in range(1, VMS + 1)
    )  # fmt: skip
    hosts = tuple(_host(number, wanted=bool(required or ranked)) for number in range(1, HOSTS + 1))
    return ClusterSnapshot(hosts=hosts, pending=vms)


def _host(number: int, *, wanted: bool) -> HostView:
    attributes: dict[str, Value] = {
        **{f"CUSTOM_{other}": str(other) for other in range(20)},
        "ID": number, "NAME": f"host-{number}", "ARCH": "x86_64", "RACK": str(number % 10), "FREE_MEMORY": number << 20,
        "FREE_CPU": number * 10, "RUNNING_VMS": 0, "CPU_USAGE": 0, "MEM_USAGE": 0, "CURRENT_VMS": (),
    }  # fmt: skip
    return HostView(
        id=number, name=f"host-{number}", cluster_id=1, state="MONITORED", cpu_free=12800, memory_free=1 << 20, vms=0,
        attributes=attributes if wanted else {},
    )  # fmt: skip


def _milliseconds(snapshot: ClusterSnapshot) -> float:
    before = time.process_time()
    place(snapshot, snapshot.pending)
    return (time.process_time() - before) * 1000


def _evaluation(times: int = 100_000) -> float:
    holds, attributes = requirement(_SHARED, HOST).holds, _host(13, wanted=True).attributes
    before = time.process_time()
    for _ in range(times):
        holds(attributes)
    return (time.process_time() - before) * 1e6 / times


def _memory(snapshot: ClusterSnapshot) -> float:
    tracemalloc.start()
    place(snapshot, snapshot.pending)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / (1 << 20)

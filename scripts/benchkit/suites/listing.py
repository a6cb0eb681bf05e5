"""Looking: lists of VMs and hosts and one VM, in this process and through a daemon's socket with a new connection each time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchkit.cluster import HOSTS, PATIENCE, QUIET, engine, furnish
from benchkit.cluster_figure import PEER, figure
from benchkit.cluster_fill import fill
from benchkit.cluster_sizes import sizes
from benchkit.cluster_socket import socket_of
from benchkit.daemon import daemon
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.timing import repeated
from nebula.engine.api.tables import Query
from nebula.engine.local.engine import LocalEngine
from nebula.rpc.plain import call

CALM = 3.0
"""Seconds in which a daemon that has just started looks at every host for the first time."""
PEERS = {
    "list 5000 VMs": f"{PEER}: 125 to 209 ms (summary), 262 to 483 (full)",
    "show one VM": f"{PEER}: 1.6 ms",
    f"list {HOSTS} hosts": f"{PEER}: 5.6 ms",
}


def run(bench: Bench) -> Iterator[Figure]:
    """One home that grows; a VM and the hosts where it is fullest."""
    home, there = bench.scratch / "home", 0
    numbers = sizes(bench, 100, 1000, 5000, large=(10_000,))
    for vms in numbers:
        with engine(home, QUIET) as local:
            if not there:
                furnish(local, HOSTS)
            fill(local, vms - there)
            there = vms
            local.monitor.first_looks(PATIENCE)
            yield from _figures(bench, "in-process", _in_process(local, vms), vms == numbers[-1])
        with daemon(str(bench.program), home, os.environ):
            time.sleep(CALM)
            yield from _figures(bench, "through the socket", _through_socket(socket_of(home), vms), vms == numbers[-1])


Calls = dict[str, Callable[[], Any]]


def _in_process(local: LocalEngine, vms: int) -> Calls:
    ref = str(local.vms.list(Query(columns=("id",), limit=1)).rows[0][0])
    return {
        f"list {vms} VMs": lambda: _whole(local.vms.list(Query()).rows, vms),
        "show one VM": lambda: local.vms.show(ref),
        f"list {HOSTS} hosts": lambda: _whole(local.hosts.list(Query()).rows, HOSTS),
    }


def _through_socket(path: Path, vms: int) -> Calls:
    """As the quick commands ask: `rows` is the second of a listing's three parts."""
    every, first = {"query": list(Query())}, {"query": list(Query(columns=("id",), limit=1))}
    ref = str(call(path, "vm.list", first)[1][0][0])
    return {
        f"list {vms} VMs": lambda: _whole(call(path, "vm.list", every)[1], vms),
        "show one VM": lambda: call(path, "vm.show", {"ref": ref}),
        f"list {HOSTS} hosts": lambda: _whole(call(path, "host.list", every)[1], HOSTS),
    }


def _figures(bench: Bench, way: str, calls: Calls, fullest: bool) -> Iterator[Figure]:
    for name, action in calls.items():
        if "VMs" in name or fullest:
            yield figure(f"{name}, {way}", "ms", repeated(action, bench.rounds), PEERS.get(name, ""))


def _whole(rows: list[Any], expected: int) -> None:
    if len(rows) != expected:
        raise BenchError(f"{len(rows)} rows instead of {expected}")

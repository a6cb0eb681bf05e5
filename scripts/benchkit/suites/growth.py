"""From 1,000 to 10,000 VMs that run on 20 simulated hosts: a call grows no faster than what it returns."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchkit.cluster import CALL, CLIENTS, HOSTS, QUIET, await_, create, engine, finish, furnish, running, template
from benchkit.cluster_figure import figure
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.timing import repeated
from nebula.engine.api.values import Query
from nebula.engine.local.engine import LocalEngine

SIZES = (1000, 10_000)
BURST = 1000
"""VMs whose way to RUNNING is measured: the last ones before each size."""
Calls = dict[str, Callable[[], Any]]


def run(bench: Bench) -> Iterator[Figure]:
    """One engine that grows; every figure of the larger size has that of the smaller beside it."""
    smaller: dict[str, Figure] = {}
    with engine(bench.scratch / "home", QUIET, in_memory=True) as local:
        furnish(local, HOSTS)
        for there, vms in itertools.pairwise((0, *SIZES)):
            for found in _at(bench, local, there, vms):
                before = smaller.get(found.name)
                beside = f"{before.median:.3f} {before.unit} at {SIZES[0]}" if before else ""
                yield figure(f"{found.name}, {vms} VMs", found.unit, found.samples, beside)
                smaller.setdefault(found.name, found)


def _at(bench: Bench, local: LocalEngine, there: int, vms: int) -> Iterator[Figure]:
    _bring_up(local, there, vms - BURST)
    commits, cpu = local.services.store.commits, time.process_time()
    _bring_up(local, vms - BURST, vms)
    yield Figure("created and brought to RUNNING, processor a VM", "ms", [(time.process_time() - cpu) * 1000 / BURST])
    yield Figure("the same, commits a VM", "", [(local.services.store.commits - commits) / BURST])
    for name, action in _calls(local, vms).items():
        yield Figure(name, "ms", repeated(action, bench.rounds))


def _bring_up(local: LocalEngine, there: int, vms: int) -> None:
    create([local] * CLIENTS, range(there, vms), hold=False)
    await_(lambda: local.wait_idle(1.0) and running(local) >= vms, f"{vms} VMs that run")


def _calls(local: LocalEngine, vms: int) -> Calls:
    ref = str(local.vms.list(Query(columns=("id",), limit=1)).rows[0][0])
    numbers = itertools.count(vms)
    return {
        "list all VMs": lambda: local.vms.list(Query()),
        "list 100 of them": lambda: local.vms.list(Query(limit=100)),
        "list those in a state": lambda: local.vms.list(Query(filters=(("state", "=", "PENDING"),))),
        "list those of a name": lambda: local.vms.list(Query(filters=(("name", "=", "vm-7"),))),
        "show one": lambda: local.vms.show(ref),
        "describe one": lambda: local.vms.describe(ref),
        "list 20 hosts": lambda: local.hosts.list(Query()),
        "list networks": lambda: local.networks.list(Query()),
        "status": local.system.status,
        "allocate one": lambda: local.vms.create(template(next(numbers)), CALL, hold=True),
        "terminate one, allocate one": lambda: _replace(local, next(numbers)),
        "power one off and on": lambda: _power(local, ref),
        "an event, from the verb to who follows": lambda: _heard(local, ref),
    }


def _power(local: LocalEngine, ref: str) -> None:
    finish(local, [local.vms.poweroff(ref, CALL, hard=True)])
    finish(local, [local.vms.resume(ref, CALL)])


def _replace(local: LocalEngine, number: int) -> None:
    """An address comes free and is taken again."""
    held = local.vms.list(Query(columns=("id",), filters=(("state", "=", "HOLD"),), limit=1)).rows[0][0]
    local.vms.terminate(str(held), CALL, hard=True)
    local.vms.create(template(number), CALL, hold=True)


def _heard(local: LocalEngine, ref: str) -> None:
    heard = threading.Event()
    unlisten = local.services.store.listen(lambda _events: heard.set())
    try:
        local.vms.update(ref, {"NOTE": str(time.monotonic())}, CALL)
        heard.wait()
    finally:
        unlisten()

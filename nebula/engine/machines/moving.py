"""Disks that are on their way from one datastore to another: what counts where they come before they take room there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import JobRow, VmRow
from nebula.engine.store.transaction import Queries

_MOVES = "\"state\" IN ('ready','running','waiting') AND \"kind\" IN ('vm.disk-move','vm.disk-move-off')"
Arriving = Mapping[tuple[int, int], int]
"""(datastore, host) -> MiB."""


def _moves(queries: Queries) -> Sequence[JobRow]:
    return queries.select(JobRow, _MOVES)


def arriving(queries: Queries) -> Arriving:
    """What comes into datastores."""
    found: dict[tuple[int, int], int] = {}
    for job in _moves(queries):
        key = int(job.args["to"]), int(job.args["host"])
        found[key] = found.get(key, 0) + int(job.args["need"])
    return found


def vm_in(queries: Queries, datastore_id: int) -> VmRow | None:
    """A VM that has something in the datastore, or whose disk is on its way there."""
    for vm in queries.select(VmRow, '"state"<>6 ORDER BY "id"'):
        if datastore_id in {vm.datastore_id, *(disk.datastore_id for disk in machine_of(vm).disks)}:
            return vm
    coming = next((job for job in _moves(queries) if job.args["to"] == datastore_id), None)
    return None if coming is None else queries.get(VmRow, coming.target_id)

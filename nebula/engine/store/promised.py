"""The sums of what hosts promised to their VMs: what a transaction changed is added at its end, a row a host.

They are there for lists, whose cost must not grow with the VMs that they do not show. Whoever decides where a VM fits
counts the VMs themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from nebula.engine.store.rows.vm import VmRow

SUMMED = frozenset({"state", "host_id", "cpu", "memory"})
"""Columns of a VM that its host's sums are made of."""
Share = tuple[int, int, int, int]
"""(host, VMs, CPU, memory), to be added."""
_BOTH = (
    'SELECT 0, "host_id", COUNT(*), SUM("cpu"), SUM("memory") FROM "vm" WHERE "state"<>6 GROUP BY "host_id" UNION ALL '
    'SELECT 1, "host_id", "vms", "cpu", "memory" FROM "promised" WHERE "vms"<>0 OR "cpu"<>0 OR "memory"<>0'
)
"""What there is and what is kept, by one statement: others write meanwhile."""
Sums = dict[int, tuple[int, int, int]]


class Database(Protocol):
    """See nebula.engine.store.transaction.Queries."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Run SQL."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        ...


def share(vm: VmRow, sign: int) -> Share:
    """What a VM adds to (1) or takes from (-1) the sums of its host; nothing if it is DONE."""
    return (vm.host_id, 0, 0, 0) if vm.state == 6 else (vm.host_id, sign, sign * vm.cpu, sign * vm.memory)


def add(database: Database, shares: Iterable[Share]) -> None:
    """Add them up and write what is left: one statement a host, none where they make up for each other."""
    sums: Sums = {}
    for host_id, vms, cpu, memory in shares:
        had = sums.get(host_id, (0, 0, 0))
        sums[host_id] = (had[0] + vms, had[1] + cpu, had[2] + memory)
    for host_id in sorted(sums):
        if any(sums[host_id]):
            _add(database, host_id, sums[host_id])


def _add(database: Database, host_id: int, sums: tuple[int, int, int]) -> None:
    changed = 'UPDATE "promised" SET "vms"="vms"+?, "cpu"="cpu"+?, "memory"="memory"+? WHERE "host_id"=?'
    if database.execute(changed, (*sums, host_id)).rowcount != 1:
        database.execute('INSERT INTO "promised" ("host_id","vms","cpu","memory") VALUES (?,?,?,?)', (host_id, *sums))


def count_anew(database: Database) -> bool:
    """Make the sums of the VMs that are there; returns whether they were others. For a database that was made without
    them, or that somebody wrote by hand.
    """
    counted, kept = _sums(database)
    if counted == kept:
        return False
    database.execute('DELETE FROM "promised"')
    for host_id, sums in sorted(counted.items()):
        _add(database, host_id, sums)
    return True


def wrong(database: Database) -> list[str]:
    """Where the sums are not those of the VMs that are there, in words."""
    counted, kept = _sums(database)
    return [
        f"{f'host {host_id}' if host_id > 0 else 'what is on no host'}: its sums are not those of its VMs "
        f"({_words(kept.get(host_id))}, and there are {_words(counted.get(host_id))}); the next owner of the engine counts anew"
        for host_id in sorted(counted.keys() | kept.keys())
        if counted.get(host_id) != kept.get(host_id)
    ]


def _sums(database: Database) -> tuple[Sums, Sums]:
    found: tuple[Sums, Sums] = ({}, {})
    for which, host_id, vms, cpu, memory in database.rows(_BOTH):
        found[int(which)][int(host_id)] = (int(vms), int(cpu), int(memory))
    return found


def _words(sums: tuple[int, int, int] | None) -> str:
    vms, cpu, memory = sums or (0, 0, 0)
    return f"{vms} VMs, {cpu / 100:g} CPUs, {memory} MiB"

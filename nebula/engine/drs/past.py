"""What past migrations took: how fast the links are, and how much faster or slower single VMs went."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from nebula.engine.store.transaction import Queries

LINK_MIB = 100.0
"""MiB/s that a migration gets where none was measured yet."""
_LATEST, _OWN, _READ = 20, 3, 1000
"""Migrations that tell how fast the links are; those of a VM that tell how fast it goes; how far back they are looked for."""


class Past(NamedTuple):
    """MiB/s: what there was to copy by the time that the whole migration took."""

    link: float
    """The median of the latest migrations, whoever went."""
    of_vms: dict[int, float]
    """VM id -> the median of its own latest ones."""

    @staticmethod
    def read(queries: Queries) -> Past:
        """From the jobs that are kept."""
        rows = queries.rows(
            'SELECT "target_id", "total", "started", "ended" FROM "job" WHERE "kind"=? AND "state"=? AND "total">0 '
            'ORDER BY "id" DESC LIMIT ?',
            ("vm.migrate-live", "done", _READ),
        )
        rates = [(int(vm), int(total) / (1 << 20) / (ended - started)) for vm, total, started, ended in rows if ended > started]
        own: dict[int, list[float]] = {}
        for vm, rate in rates:
            own.setdefault(vm, []).append(rate)
        link = max(1.0, median(rate for _, rate in rates[:_LATEST])) if rates else LINK_MIB
        return Past(link, {vm: median(found[:_OWN]) for vm, found in own.items()})

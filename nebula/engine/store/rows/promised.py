"""What is promised to the VMs of a host, as sums."""

from __future__ import annotations

from typing import ClassVar

from nebula.engine.store.rows.base import Row


class PromisedRow(Row, kw_only=True):
    """How many VMs a host has that are not DONE, their CPU (hundredths of a core) and memory (MiB); `host_id` -1: of those
    that are on none. Each transaction adds what it changed (see nebula.engine.store.promised), so that a list of hosts
    looks at no VM.
    """

    _table: ClassVar[str] = "promised"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("host_id",), True),)

    host_id: int
    vms: int = 0
    cpu: int = 0
    memory: int = 0

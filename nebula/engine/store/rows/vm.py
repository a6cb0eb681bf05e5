"""A virtual machine and its history."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row
from nebula.engine.store.rows.owned import Owned


class VmRow(Owned, kw_only=True):
    """CPU in hundredths of a core, memory in MiB, disk in bytes promised. `host_id` -1: on none.

    What is promised on a host is summed from the index alone, without a look at the rows; for lists, see PromisedRow.
    """

    _table: ClassVar[str] = "vm"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = (
        (("state", "lcm_state"), False),
        (("host_id", "state", "cpu", "memory"), False),
        (("target_host",), False),
        (("resched",), False),
        (("template_id", "state"), False),
        (("name",), False),
        (("uuid",), True),
    )
    _long: ClassVar[frozenset[str]] = frozenset({"reason", "alarm"})

    name: str
    uuid: str
    state: int
    lcm_state: int = 0
    host_id: int = -1
    target_host: int = -1
    """The host that a migration under way leads to: its capacity is taken there too."""
    kept_on: int = -1
    """The host that has the disks of a VM which was stopped or undeployed; 0: storage that all hosts share; -1: its disks
    are where it is, or not made.
    """
    resched: int = 0
    """1: the scheduler is to move it to another host."""
    cluster_id: int = -1
    datastore_id: int = -1
    cpu: int = 100
    vcpus: int = 1
    memory: int = 0
    disk: int = 0
    autostart: int = 0
    created: float = 0.0
    since: float = 0.0
    """When the present state began."""
    job_id: int = 0
    """The job under way, 0: none."""
    template_id: int = -1
    """The template that it was made of; it may be gone by now."""
    ips: str = ""
    cpu_used: int = -1
    memory_used: int = -1
    reason: str = ""
    alarm: str = ""
    body: Body = msgspec.field(default_factory=dict)
    """template, disks, nics, context, waiting (why the scheduler left it), retry facts."""


class HistoryRow(Row, kw_only=True):
    """One stay of a VM on a host; `ended` 0: still there."""

    _table: ClassVar[str] = "history"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("vm_id", "seq"), True), (("host_id",), False))
    _long: ClassVar[frozenset[str]] = frozenset({"reason"})

    vm_id: int
    seq: int
    host_id: int
    host: str
    action: str
    reason: str = ""
    actor: str = ""
    started: float = 0.0
    ended: float = 0.0

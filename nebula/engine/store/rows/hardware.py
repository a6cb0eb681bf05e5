"""What hosts have that a VM may have for itself, and which VM has what of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row


class HardwareRow(Row, kw_only=True):
    """A host's own hardware, as the monitor saw it last (model.host: HostHardware); apart from the host's row, which is read
    often.
    """

    _table: ClassVar[str] = "hardware"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("host_id",), True),)

    host_id: int
    seen: float = 0.0
    """When, seconds since the epoch."""
    body: Body = msgspec.field(default_factory=dict)


class ReservationRow(Row, kw_only=True):
    """What a VM has of a host for itself (machines.held: Held). It holds while the VM is on the host or on its way to it; what
    is left of former stays means nothing.
    """

    _table: ClassVar[str] = "reservation"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("vm_id", "host_id"), True), (("host_id",), False))

    vm_id: int
    host_id: int
    body: Body = msgspec.field(default_factory=dict)

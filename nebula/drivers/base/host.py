"""What drivers are told of a host, and how they tell of their progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from nebula.transport.base import Transport

Progress = Callable[[int, int], None]


class HostHandle(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver needs to know of a host to act on it."""

    host_id: int
    name: str
    address: str
    """How its peers reach it; empty for a lone local machine."""
    user: str
    """The login that peers and the engine use."""
    port: int
    virt: Literal["kvm", "qemu"]
    root: str
    """Directory on the host that holds everything of ours: /var/lib/nebula."""
    transport: Transport
    migration_address: str = ""
    """Where migration data should arrive; empty: `address`."""

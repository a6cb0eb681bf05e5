"""What a running guest shows and tells of itself."""

from __future__ import annotations

from typing import Literal

import msgspec


class GuestAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address of one of the guest's cards, and who says so: it was leased to the VM, the guest's agent tells it, a DHCP
    server of the host gave it, or the host has it among its neighbours.
    """

    mac: str
    address: str
    source: Literal["lease", "agent", "dhcp", "neighbours"]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture as a hypervisor gives it."""

    type: Literal["image/png", "image/x-portable-pixmap"]
    data: bytes

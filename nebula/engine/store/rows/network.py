"""A virtual network, its address ranges and the leases taken from them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nebula.engine.store.rows.base import Body, Row
from nebula.engine.store.rows.owned import COMMON, Owned


class NetworkRow(Owned, kw_only=True):
    """`cluster_id` -1: all clusters. `body`: settings (gateway, dns, mtu, nat, physical_device …), attributes."""

    _table: ClassVar[str] = "network"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("name",), True),)

    name: str
    driver: str
    bridge: str
    owned: int = 0
    cluster_id: int = -1
    state: int = 1
    parent_id: int = -1
    """The network that a reservation was taken from."""
    used_leases: int = 0
    mode: int = COMMON
    body: Body = msgspec.field(default_factory=dict)


class AddressRangeRow(Row, kw_only=True):
    """`number` counts within the network (OpenNebula's AR_ID); `body` is the range as `engine.addresses` knows it."""

    _table: ClassVar[str] = "address_range"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = ((("network_id", "number"), True),)

    network_id: int
    number: int
    size: int
    body: Body = msgspec.field(default_factory=dict)


class LeaseRow(Row, kw_only=True):
    """One address taken: by a VM's card, or held (`vm_id` -1). The unique index is what makes twice impossible."""

    _table: ClassVar[str] = "lease"
    _indexes: ClassVar[tuple[tuple[tuple[str, ...], bool], ...]] = (
        (("range_id", "position"), True),
        (("vm_id",), False),
        (("network_id",), False),
    )

    network_id: int
    range_id: int
    position: int
    """Index of the address within its range."""
    vm_id: int
    nic_id: int = -1
    mac: str = ""
    ip: str = ""
    ip6: str = ""
    groups: str = ""
    """Ids of the security groups that the card itself names, as `engine.firewall.groups` packs them."""
    parent_id: int = -1
    """Of an alias the card whose guest has the address; -1: it is a card's own."""

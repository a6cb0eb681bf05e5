"""The verbs of networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Findings
from nebula.engine.api.verbs.belongings import Belongings


class Networks(Belongings, Protocol):
    """Virtual networks."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def leases(self, ref: str) -> Listing: ...
    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name, driver, bridge ("" makes one of our own), nat, cluster, ranges (list of AR objects), gateway,
        prefix_length, gateway6, prefix_length6, dns (list), dhcp ("yes", or the address at which hosts answer), mtu,
        physical_device, vlan_id (of 802.1Q and vxlan; without it a free one; of ovswitch the VLAN of its cards),
        automatic_vlan_id, vlan_tagged_id (of ovswitch: VLANs that guests tag), outer_vlan_id (of ovswitch_vxlan: the VXLAN),
        vxlan_mode (multicast, static, evpn), cvlans and qinq_type (of ovswitch: VLANs within vlan_id, and the tag around them),
        move_addresses (what hosts have of their own on that device goes onto the bridge),
        physical_device_on (host -> its device, where that is another one), security_groups (list of ids or names).
        """
        ...

    def add_range(self, ref: str, spec: Mapping[str, Any], call: Call) -> Accepted: ...
    def remove_range(self, ref: str, number: int, call: Call) -> Accepted: ...
    def hold(self, ref: str, address: str, call: Call) -> Accepted: ...
    def release(self, ref: str, address: str, call: Call) -> Accepted: ...
    def reserve(self, ref: str, name: str, size: int, call: Call, first: str = "") -> Accepted:
        """Move `size` addresses to a child network called `name`."""
        ...

    def check(self, ref: str) -> Findings: ...
    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: attributes (a mapping), for expressions to name; an empty value takes one away. security_groups: a list
        of ids or names; running VMs get their rules by the job that the answer names. physical_device_on: host -> device, ""
        for the usual one; ConflictError while VMs are there.
        """
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...

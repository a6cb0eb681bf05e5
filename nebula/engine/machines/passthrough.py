"""Cards that are virtual functions of a card of the host: which the template asks for, and what networks they can be in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.firewall.filters import asks_for_filters
from nebula.engine.machines.hardware.group import many
from nebula.engine.machines.machine import PassthroughNic
from nebula.engine.machines.networks import network_spec
from nebula.engine.store.rows import LeaseRow, NetworkRow
from nebula.errors import ConflictError

OF_NO_BRIDGE = -2
"""`parent_id` of their leases: they are cards, and on no bridge of the host."""


def asked_for(template: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """(Which of the template's PCI devices, what it says) of each that is a card."""
    devices = zip(template.get("PCI") or (), many(template, "PCI"), strict=True)
    return [(number, item) for number, (item, asked) in enumerate(devices) if asked.given("TYPE")]


def made(nic_id: int, pci: int, item: Mapping[str, Any], lease: LeaseRow, network: NetworkRow) -> PassthroughNic:
    """The card, of its lease."""
    return PassthroughNic(
        nic_id=nic_id,
        pci=pci,
        name=str(item.get("NAME") or f"PCI{pci}"),
        network_id=network.id,
        network=network.name,
        mac=lease.mac,
        ip=lease.ip,
        ip6=lease.ip6,
        asked=dict(item),
    )


def require_direct(row: NetworkRow) -> None:
    """ConflictError for a network that a card without a bridge is not in, or whose rules it would pass by."""
    network = network_spec(row)
    if network.vxlan_mode or network.outer_id or network.trunks or network.customer_vlans or "vxlan" in row.driver:
        raise ConflictError(
            f"network {row.name} has no virtual function of a card",
            cause="a function has one VLAN or none; tunnels, trunks and VLANs within VLANs are made by the host's bridges",
            hint="a network of driver bridge, vlan or ovswitch, or NIC in the place of PCI",
        )
    if asks_for_filters(row):
        raise ConflictError(
            f"network {row.name} filters its cards, and a virtual function passes by the host that would do so",
            hint=f"another network without security groups on the same wire, or NIC in the place of PCI: {row.name}",
        )

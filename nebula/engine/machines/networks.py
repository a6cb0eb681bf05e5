"""From a network's row to what drivers and the context CD need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nebula.engine.store.rows import NetworkRow
from nebula.model.network import NetworkSpec, NicSpec

if TYPE_CHECKING:
    from nebula.engine.context import NicContext
    from nebula.engine.machines.machine import Nic


def network_spec(row: NetworkRow) -> NetworkSpec:
    """The network as network drivers know it."""
    settings: dict[str, Any] = row.body.get("settings", {})
    return NetworkSpec(
        network_id=row.id,
        name=row.name,
        driver=row.driver,
        bridge=row.bridge,
        owned=bool(row.owned),
        physical_device=settings.get("physical_device", ""),
        mtu=int(settings.get("mtu", 0)),
        gateway=settings.get("gateway", ""),
        prefix_length=int(settings.get("prefix_length", 24)),
        gateway6=settings.get("gateway6", ""),
        prefix_length6=int(settings.get("prefix_length6", 64)),
        nat=bool(settings.get("nat", False)),
    )


def nic_spec(vm_id: int, nic: Nic, network: NetworkSpec) -> NicSpec:
    """A card as network drivers know it."""
    return NicSpec(vm_id=vm_id, nic_id=nic.nic_id, tap=nic.tap, mac=nic.mac, network=network, ip=nic.ip, ip6=nic.ip6)


def nic_context(nic: Nic, row: NetworkRow) -> NicContext:
    """A card as the context CD describes it."""
    from nebula.engine.context import NicContext

    settings: dict[str, Any] = row.body.get("settings", {})
    return NicContext(
        nic_id=nic.nic_id,
        mac=nic.mac,
        ip=nic.ip,
        prefix_length=int(settings.get("prefix_length", 24)),
        gateway=settings.get("gateway", ""),
        ip6=nic.ip6,
        ip6_prefix_length=int(settings.get("prefix_length6", 64)),
        ip6_gateway=settings.get("gateway6", ""),
        dns=tuple(settings.get("dns", ())),
        mtu=int(settings.get("mtu", 0)),
    )

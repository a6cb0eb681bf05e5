"""VXLANs whose hosts find each other by addresses that we know (VXLAN_MODE static): which those are, and who is told when."""

from __future__ import annotations

from nebula import typed
from nebula.engine.jobs.follow import follow
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.networks import network_spec
from nebula.engine.services import Services
from nebula.engine.store.rows import HardwareRow, HostRow, NetworkRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.model.host import HostHardware
from nebula.model.network import NetworkSpec

KIND = "network.tunnel"
STATIC = "static"


def wants(network: NetworkRow) -> bool:
    """Whether its hosts are told of each other."""
    return bool(network.body.get("settings", {}).get("vxlan_mode") == STATIC)


def peers(queries: Queries, network: NetworkRow, host_id: int) -> list[str]:
    """The addresses of the other hosts that may carry the network, on its uplink; those that are to be offline are none."""
    spec = network_spec(network)
    hosts = queries.select(HostRow, '"wanted"<>? AND "id"<>? ORDER BY "id"', (int(HostState.OFFLINE), host_id))
    able = {host.id for host in hosts if network.cluster_id in (-1, host.cluster_id)}
    seen = (row for row in queries.select(HardwareRow, '1=1 ORDER BY "host_id"') if row.host_id in able)
    return [address for row in seen if (address := _first(row, spec))]


def ends(queries: Queries, network: NetworkRow, host_id: int) -> tuple[str, list[str]]:
    """Where the network's tunnel ends on that host, and on the others; nowhere if it is no tunnel."""
    if "vxlan" not in network.driver:
        return "", []
    own = queries.first(HardwareRow, '"host_id"=?', (host_id,))
    return _first(own, network_spec(network)) if own is not None else "", peers(queries, network, host_id)


def hosts_changed(tx: Transaction, services: Services, actor: str) -> None:
    """A host came, went, or has another address: the others are told."""
    for row in tx.select(NetworkRow, '"owned"=1 AND "parent_id"<=0 AND "state"=1 ORDER BY "id"'):
        if wants(row):
            follow(tx, services, KIND, ("network", row.id), actor)


def _first(row: HardwareRow, network: NetworkSpec) -> str:
    hardware, device = typed.convert(row.body, HostHardware), network.device_at(row.host_id)
    return next((one.address for one in hardware.addresses if one.device == device), "")

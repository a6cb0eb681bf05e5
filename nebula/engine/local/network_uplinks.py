"""Hosts on which a network's physical device is another one: eno1 here, enp3s0 there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.local.base import resolve
from nebula.engine.local.network_segments import check_lengths, same_device
from nebula.engine.local.network_spec import check_device
from nebula.engine.machines.networks import network_spec
from nebula.engine.serving import carriers
from nebula.engine.store.rows import HostRow, NetworkRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, NotFoundError, UsageError

SETTING = "physical_device_on"
"""In a network's settings: id of a host -> device."""


def devices_of(queries: Queries, said: Any) -> dict[str, str]:
    """What somebody says of hosts' devices (host -> device), by the hosts' ids; UsageError for what makes no sense."""
    if said in (None, ""):
        return {}
    if not isinstance(said, Mapping):
        raise UsageError(f"{SETTING} says of each host its device", cause=f"got {str(said)[:60]!r}", hint="{h2: enp3s0}")
    return {str(resolve(queries, HostRow, str(host)).id): check_device(str(device or "")) for host, device in said.items()}


def by_name(queries: Queries, network: NetworkRow) -> dict[str, str]:
    """The network's, by the names of hosts that are still there."""
    found: dict[str, str] = {}
    for host_id, device in network.body.get("settings", {}).get(SETTING, {}).items():
        host = queries.first(HostRow, '"id"=?', (int(host_id),))
        if host is not None:
            found[host.name] = device
    return found


def change(tx: Transaction, network: NetworkRow, said: Any) -> None:
    """The network, and all that share its bridge, have other devices from now on; an empty device is the usual one again."""
    if network.parent_id > 0:
        raise UsageError(
            f"reservation {network.name} is on another network's bridge", hint=f"nebula network update {network.parent_id}"
        )
    before: Mapping[str, str] = network.body.get("settings", {}).get(SETTING, {})
    after = {host: device for host, device in {**before, **devices_of(tx, said)}.items() if device}
    family = tx.select(NetworkRow, '"bridge"=? AND "driver"=? ORDER BY "id"', (network.bridge, network.driver))
    for host_id in sorted(map(int, {**before, **after})):
        if before.get(str(host_id)) != after.get(str(host_id)):
            _require_unused(tx, family, host_id)
    for row in family:
        settings = {key: value for key, value in row.body.get("settings", {}).items() if key != SETTING}
        if not settings.get("physical_device"):
            raise UsageError(f"network {row.name} goes through no device of the hosts", hint=f"nebula network show {row.id}")
        settings = {**settings, **({SETTING: after} if after else {})}
        check_lengths(settings, row.driver)
        others = [network_spec(other) for other in tx.select(NetworkRow) if other.bridge != row.bridge]
        for other in others:
            if row.driver == other.driver == "802.1Q" and other.vlan_id == settings["vlan_id"] and same_device(settings, other):
                raise ConflictError(
                    f"network {other.name} has VLAN {other.vlan_id} of that device already",
                    hint=f"nebula network show {other.network_id}",
                )
        tx.swap(row, body={**row.body, "settings": settings})


def _require_unused(tx: Transaction, family: list[NetworkRow], host_id: int) -> None:
    """ConflictError while the host may have the bridge, with the device that it has now."""
    try:
        host = tx.get(HostRow, host_id)
    except NotFoundError:
        return
    for row in family:
        if host_id in carriers(tx, row):
            raise ConflictError(
                f"VMs on host {host.name} are on network {row.name}, through the device that it has now",
                hint=f"nebula host evacuate {host.name}",
            )

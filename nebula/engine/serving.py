"""DHCP and DNS of networks that have it: which leases their hosts give, which hosts those are, and who tells them when."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from nebula.engine.context import legal_hostname
from nebula.engine.jobs.follow import follow
from nebula.engine.lifecycle.states import LcmState, VmState
from nebula.engine.machines.networks import root_of
from nebula.engine.services import Services
from nebula.engine.store.rows import LeaseRow, NetworkRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import NotFoundError
from nebula.model.network import Lease

KIND = "network.serve"
_ON_BRIDGE = (
    'FROM "lease" JOIN "vm" ON "vm"."id"="lease"."vm_id" JOIN "network" ON "network"."id"="lease"."network_id" '
    'WHERE "network"."bridge"=? AND "network"."driver"=? AND "network"."owned"=1 AND "vm"."state"<>6 '
    'AND "lease"."parent_id"<0'
)
"""Leases of VMs' cards on a bridge of ours, those of reservations among them."""


def wants(network: NetworkRow) -> bool:
    """Whether its guests get addresses and names by it."""
    return bool(network.body.get("settings", {}).get("dhcp"))


def given(queries: Queries, network: NetworkRow) -> list[Lease]:
    """What hosts give on the network's bridge."""
    rows = queries.rows(
        f'SELECT "lease"."mac", "lease"."ip", "lease"."ip6", "vm"."name" {_ON_BRIDGE} ORDER BY "lease"."id"',
        (network.bridge, network.driver),
    )
    return [
        Lease(mac=str(mac), ip=str(ip), ip6=str(ip6), name=legal_hostname(str(name)).replace(".", "-"))
        for mac, ip, ip6, name in rows
    ]


def carriers(queries: Queries, network: NetworkRow) -> set[int]:
    """Hosts where VMs on the network's bridge are, or are on their way to."""
    rows = queries.rows(f'SELECT "vm"."host_id", "vm"."target_host" {_ON_BRIDGE}', (network.bridge, network.driver))
    return {int(host_id) for row in rows for host_id in row if host_id > 0}


def runs_on(queries: Queries, network: NetworkRow, host_id: int) -> bool:
    """Whether a VM on the network's bridge runs there now, without anything under way."""
    return bool(
        queries.rows(
            f'SELECT 1 {_ON_BRIDGE} AND "vm"."state"=? AND "vm"."lcm_state"=? AND "vm"."host_id"=? LIMIT 1',
            (network.bridge, network.driver, int(VmState.ACTIVE), int(LcmState.RUNNING), host_id),
        )
    )


def leases_changed(tx: Transaction, services: Services, leases: Iterable[LeaseRow], actor: str) -> None:
    """Cards came, went, or are called otherwise: the hosts that carry their networks are told."""
    for network_id in sorted({lease.network_id for lease in leases}):
        with suppress(NotFoundError):
            row = tx.known(NetworkRow, network_id)
            if wants(row):
                follow(tx, services, KIND, ("network", root_of(row)), actor)

"""Leases: taken in the VM's own transaction, never twice (the unique index is the proof), given back with it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from nebula import typed
from nebula.engine.addresses import AddressRange, address_at, first_free, index_of, reserved_positions
from nebula.engine.store.rows import AddressRangeRow, LeaseRow, NetworkRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import CapacityError, ConflictError, NotFoundError

_reserved = lru_cache(maxsize=256)(reserved_positions)
"""Networks change seldom, and the arithmetic took a fifth of the writer's part of an allocation."""
SLAAC = 64
"""The prefix's length where a guest makes its address of it and its MAC."""
READY = 1
"""OpenNebula's state of a network that can be used."""
HELD = -1
"""vm_id of an address on hold."""
RESERVED = -2
"""vm_id of an address that a reservation took; nic_id is then the child network's id."""


class Leases:
    """Takes and gives back addresses. Keeps, per range, a position below which nothing is free, so that a long range is
    not walked through each time; it is only a hint.
    """

    def __init__(self) -> None:
        self._low: dict[int, int] = {}

    def take(
        self,
        tx: Transaction,
        network: NetworkRow,
        vm_id: int,
        nic_id: int,
        *,
        wanted: str = "",
        groups: str = "",
        parent_id: int = -1,
    ) -> LeaseRow:
        """A lease for a card, or for an alias of the card `parent_id`: the wanted address (IP or MAC), or the first free one.

        Raises ConflictError (taken), NotFoundError (in no range), CapacityError (network full).
        """
        if network.state != READY:
            raise ConflictError(f"network {network.name} is being removed, or its removal failed", hint="nebula network list")
        ranges = tx.select(AddressRangeRow, '"network_id"=? ORDER BY "number"', (network.id,))
        if not ranges:
            raise CapacityError(
                f"network {network.name} has no address range", hint=f"nebula network add-range {network.id} RANGE"
            )
        if wanted:
            row, position = _find(ranges, network, wanted)
            self._refuse_taken(tx, network, row, position, wanted)
        else:
            row, position = self._first(tx, network, ranges)
        lease = _lease(network, row, position, vm_id, nic_id)
        lease.groups, lease.parent_id = groups, parent_id
        tx.insert(lease)
        count(tx, network, +1)
        return lease

    def hold(self, tx: Transaction, network: NetworkRow, wanted: str) -> LeaseRow:
        """Put an address on hold."""
        return self.take(tx, network, HELD, -1, wanted=wanted)

    def release(self, tx: Transaction, network: NetworkRow, wanted: str) -> None:
        """Give back an address on hold; ConflictError if a VM has it."""
        ranges = tx.select(AddressRangeRow, '"network_id"=? ORDER BY "number"', (network.id,))
        row, position = _find(ranges, network, wanted)
        lease = tx.first(LeaseRow, '"range_id"=? AND "position"=?', (row.id, position))
        if lease is None:
            raise ConflictError(
                f"{wanted} is not on hold in network {network.name}", hint=f"nebula network leases {network.id}"
            )
        if lease.vm_id != HELD:
            raise ConflictError(f"{wanted} belongs to VM {lease.vm_id}", hint=f"nebula vm show {lease.vm_id}")
        tx.delete(lease)
        count(tx, network, -1)
        tx.after_commit(lambda: self.came_free([(row.id, position)]))

    def came_free(self, places: Iterable[tuple[int, int]]) -> None:
        """These (range, position) are to be found again."""
        for range_id, position in places:
            self._low[range_id] = min(position, self._low.get(range_id, 0))

    def _first(self, tx: Transaction, network: NetworkRow, ranges: list[AddressRangeRow]) -> tuple[AddressRangeRow, int]:
        for row in ranges:
            position = self._gap(tx, network, row, self._low.get(row.id, 0))
            if position is None and self._low.get(row.id):
                position = self._gap(tx, network, row, 0)
            if position is not None:
                self._low[row.id] = position
                return row, position
        raise CapacityError(
            f"network {network.name} has no free address",
            cause=f"{network.used_leases} leases are taken",
            hint=f"nebula network add-range {network.id} RANGE",
        )

    def _gap(self, tx: Transaction, network: NetworkRow, row: AddressRangeRow, start: int) -> int | None:
        reserved = _reserved(range_of(row), **_subnet(network))
        while True:
            used = [
                int(item[0])
                for item in tx.rows(
                    'SELECT "position" FROM "lease" WHERE "range_id"=? AND "position">=? ORDER BY "position" LIMIT 256',
                    (row.id, start),
                )
            ]
            found = first_free(range_of(row), used, reserved, start)
            if found is None or len(used) < 256 or found < used[-1]:
                return found
            start = used[-1] + 1

    def _refuse_taken(self, tx: Transaction, network: NetworkRow, row: AddressRangeRow, position: int, wanted: str) -> None:
        taken = tx.first(LeaseRow, '"range_id"=? AND "position"=?', (row.id, position))
        if taken is None:
            return
        who = "on hold" if taken.vm_id == HELD else "reserved" if taken.vm_id == RESERVED else f"taken by VM {taken.vm_id}"
        raise ConflictError(f"{wanted} of network {network.name} is {who}", hint=f"nebula network leases {network.id}")


def range_of(row: AddressRangeRow) -> AddressRange:
    """The range's arithmetic."""
    return typed.convert(row.body, AddressRange)


def prefix_length6(queries: Queries, lease: LeaseRow) -> int:
    """That of its IPv6 address, where its range says one; 0: its network's. 64 is also what a range has that says nothing."""
    if not lease.ip6:
        return 0
    found = range_of(queries.known(AddressRangeRow, lease.range_id))
    return SLAAC if found.type.is_slaac else found.prefix_length6 if found.prefix_length6 != SLAAC else 0


def second_ip6(queries: Queries, lease: LeaseRow) -> str:
    """The unique local address that it has beside a global one, where its range has a prefix of each; else empty."""
    if not lease.ip6:
        return ""
    found = range_of(queries.known(AddressRangeRow, lease.range_id))
    return address_at(found, lease.position).ip6_ula if found.global_prefix and found.ula_prefix else ""


def count(tx: Transaction, network: NetworkRow, by: int) -> None:
    """Keep the network's number of leases."""
    tx.swap(network, used_leases=network.used_leases + by)


def _subnet(network: NetworkRow) -> dict[str, Any]:
    settings = network.body.get("settings", {})
    return {
        "gateway": settings.get("gateway", ""),
        "prefix_length": int(settings.get("prefix_length", 24)),
        "gateway6": settings.get("gateway6", ""),
        "others": (*settings.get("dns", ()), settings.get("dhcp", "")),
    }


def _find(ranges: list[AddressRangeRow], network: NetworkRow, wanted: str) -> tuple[AddressRangeRow, int]:
    for row in ranges:
        position = index_of(range_of(row), wanted)
        if position is not None:
            return row, position
    raise NotFoundError(f"{wanted[:60]} is in no range of network {network.name}", hint=f"nebula network show {network.id}")


def _lease(network: NetworkRow, row: AddressRangeRow, position: int, vm_id: int, nic_id: int) -> LeaseRow:
    at = address_at(range_of(row), position)
    return LeaseRow(
        network_id=network.id, range_id=row.id, position=position, vm_id=vm_id, nic_id=nic_id,
        mac=at.mac, ip=at.ip, ip6=at.ip6 or at.ip6_ula,
    )  # fmt: skip

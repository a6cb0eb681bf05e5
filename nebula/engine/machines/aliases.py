"""Aliases of cards, and the names by which cards and aliases are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nebula.engine.machines.hardware.group import Group
from nebula.engine.machines.machine import Alias, Machine, Nic
from nebula.engine.store.rows import LeaseRow, NetworkRow
from nebula.errors import ConflictError, NotFoundError, UsageError


def made(number: int, parent: Nic, item: Mapping[str, Any], lease: LeaseRow, network: NetworkRow) -> Alias:
    """The alias of that number; UsageError for what makes no sense."""
    asked = Group("NIC_ALIAS", item, f"alias {number}")
    asked.check()
    place = 1 + max((alias.alias_id for alias in parent.aliases), default=-1)
    return Alias(
        nic_id=number,
        alias_id=place,
        name=asked.word("NAME") or f"{parent.title}_ALIAS{place}",
        network_id=network.id,
        network=network.name,
        mac=lease.mac,
        ip=lease.ip,
        ip6=lease.ip6,
        external=asked.flag("EXTERNAL"),
        asked=dict(item),
    )


def parent_of(nics: Sequence[Nic], item: Mapping[str, Any]) -> Nic:
    """The card that PARENT names; UsageError, NotFoundError."""
    ref = str(item.get("PARENT") or "").strip()
    if not ref:
        raise UsageError("an alias names the card that has it", cause="PARENT is missing", hint="PARENT: NIC0")
    found = card_called(nics, ref)
    if found is None:
        have = ", ".join(nic.title for nic in nics) or "none"
        raise NotFoundError(f"the VM has no card {ref[:40]!r} to have an alias", cause=f"it has {have}", hint="PARENT: NIC0")
    return found


def card_called(nics: Sequence[Nic], ref: str) -> Nic | None:
    """The card of that name, number or MAC address."""
    return next((nic for nic in nics if ref in {nic.title, str(nic.nic_id)} or ref.lower() == nic.mac), None)


def alias_called(machine: Machine, ref: str) -> Alias | None:
    """The alias of that name, number or MAC address."""
    known = machine.aliases
    return next((alias for alias in known if ref in {alias.name, str(alias.nic_id)} or ref.lower() == alias.mac), None)


def require_free_name(machine: Machine, name: str) -> None:
    """ConflictError if a card or an alias of the VM is called so."""
    if name in {*(nic.title for nic in machine.nics), *(alias.name for alias in machine.aliases)}:
        raise ConflictError(f"the VM has a card or an alias called {name} already", hint="give it another NAME")

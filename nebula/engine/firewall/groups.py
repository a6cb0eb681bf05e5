"""Who has which security group: networks by their settings, cards by their leases and by their networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nebula.engine.local.access import Right
from nebula.engine.local.base import usable
from nebula.engine.people import Person
from nebula.engine.store.rows import LeaseRow, NetworkRow, SecurityGroupRow
from nebula.engine.store.transaction import Queries
from nebula.errors import NotFoundError, UsageError

SETTING = "security_groups"
ATTRIBUTE = "SECURITY_GROUPS"
THEIRS = "0"
"""The group that OpenNebula's templates name most; here ids begin at 1."""
MOST = 20
"""Groups of a card, or of a network."""


def named(queries: Queries, given: Any, person: Person) -> tuple[int, ...]:
    """Ids of the groups that somebody names, by ids or names, in a list or separated by commas; they must be theirs to use."""
    words = given if isinstance(given, (list, tuple)) else str(given or "").split(",")
    refs = [str(word).strip() for word in words if str(word).strip()]
    if THEIRS in refs:
        raise NotFoundError(
            f"there is no security group {THEIRS}",
            cause="OpenNebula's lets everything pass; here a card without groups is not filtered",
            hint="leave it out, or name another one: nebula securitygroup list",
        )
    found = dict.fromkeys(usable(queries, SecurityGroupRow, ref, person, Right.USE).id for ref in refs)
    if len(found) > MOST:
        raise UsageError(
            f"at most {MOST} security groups at once", cause=f"got {len(found)}", hint="put rules together in fewer groups"
        )
    return tuple(found)


def packed(groups: Iterable[int]) -> str:
    """As a lease keeps them: " 3 7 ", so that each is found."""
    words = " ".join(map(str, groups))
    return f" {words} " if words else ""


def of_lease(lease: LeaseRow) -> tuple[int, ...]:
    """The groups that the card itself names."""
    return tuple(int(word) for word in lease.groups.split())


def of_network(network: NetworkRow) -> tuple[int, ...]:
    """The groups of all its cards."""
    return tuple(int(number) for number in network.body.get("settings", {}).get(SETTING, ()))


def of_card(lease: LeaseRow, network: NetworkRow) -> tuple[int, ...]:
    """All groups that say something of the card."""
    return tuple(sorted({*of_lease(lease), *of_network(network)}))


def networks_with(queries: Queries, group_id: int) -> list[NetworkRow]:
    """The networks that have the group."""
    return [row for row in queries.select(NetworkRow, '1=1 ORDER BY "id"') if group_id in of_network(row)]


def leases_with(queries: Queries, group_id: int) -> list[LeaseRow]:
    """The leases of cards that have the group, by themselves or by their network."""
    on = [row.id for row in networks_with(queries, group_id)]
    marks = ", ".join("?" * len(on)) or "NULL"
    where = f'"vm_id">0 AND "parent_id"<0 AND ("groups" LIKE ? OR "network_id" IN ({marks})) ORDER BY "vm_id", "nic_id"'
    return queries.select(LeaseRow, where, (f"% {group_id} %", *on))


def aliases_of(queries: Queries, cards: Iterable[LeaseRow]) -> list[LeaseRow]:
    """The leases of these cards' aliases."""
    wanted = {(card.vm_id, card.nic_id) for card in cards}
    found = queries.select(LeaseRow, '"parent_id">=0 ORDER BY "vm_id", "nic_id"')
    return [lease for lease in found if (lease.vm_id, lease.parent_id) in wanted]


def rules_of(row: SecurityGroupRow) -> list[dict[str, str]]:
    """Its rules."""
    return list(row.body.get("rules", ()))


def naming(queries: Queries, key: str, ids: Sequence[int]) -> list[SecurityGroupRow]:
    """The groups that have a rule whose `key` (SECURITY_GROUP_ID, NETWORK_ID) is one of the ids."""
    wanted = {str(number) for number in ids}
    rows = queries.select(SecurityGroupRow, '1=1 ORDER BY "id"')
    return [row for row in rows if any(rule.get(key) in wanted for rule in rules_of(row))]

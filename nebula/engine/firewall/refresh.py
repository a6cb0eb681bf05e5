"""Work that follows from a change: hosts are told anew what may pass, where a rule names somebody who came or went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from nebula.engine.firewall.groups import naming, of_card
from nebula.engine.jobs.follow import follow
from nebula.engine.services import Services
from nebula.engine.store.rows import LeaseRow, NetworkRow, SecurityGroupRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NotFoundError

KIND = "securitygroup.apply"


def apply_group(tx: Transaction, services: Services, group: SecurityGroupRow, actor: str, *, clean: bool = False) -> int:
    """File the job that tells hosts of the cards that have the group; its id."""
    return _file(tx, services, "securitygroup", group.id, actor, **({"clean": True} if clean else {}))


def apply_network(tx: Transaction, services: Services, network: NetworkRow, actor: str) -> int:
    """The same for all cards of a network, whose groups are others now."""
    return _file(tx, services, "network", network.id, actor)


def apply_card(tx: Transaction, services: Services, card: LeaseRow, actor: str) -> int:
    """The same for the VM of one card of a network, which has other addresses now."""
    return _file(tx, services, "network", card.network_id, actor, vm=card.vm_id)


def members_changed(tx: Transaction, services: Services, leases: Iterable[LeaseRow], actor: str) -> None:
    """Cards came or went, or have other groups than these: whose rules name their groups is told."""
    groups: set[int] = set()
    for lease in leases:
        with suppress(NotFoundError):
            groups |= set(of_card(lease, tx.known(NetworkRow, lease.network_id)))
    groups_changed(tx, services, sorted(groups), actor)


def groups_changed(tx: Transaction, services: Services, groups: Sequence[int], actor: str) -> None:
    """Somebody else has these groups than before."""
    if groups:
        for row in naming(tx, "SECURITY_GROUP_ID", groups):
            apply_group(tx, services, row, actor)


def network_changed(tx: Transaction, services: Services, network_id: int, actor: str) -> None:
    """A network has other addresses than before."""
    for row in naming(tx, "NETWORK_ID", [network_id]):
        apply_group(tx, services, row, actor)


def _file(tx: Transaction, services: Services, kind: str, number: int, actor: str, **args: bool | int) -> int:
    tx.after_commit(lambda: _count(services))
    return follow(tx, services, KIND, (kind, number), actor, args)


def _count(services: Services) -> None:
    services.errands.filed += 1

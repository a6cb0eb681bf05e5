"""Which datastore takes a VM's empty disks, and which network its card, where the template leaves a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nebula.engine.scheduler.attributes import datastore_attributes, network_attributes
from nebula.engine.scheduler.expressions import DATASTORE, NETWORK, Attributes, Subject, rank, requirement
from nebula.engine.scheduler.wish_checks import DATASTORE_RANK, DATASTORE_REQUIREMENTS
from nebula.engine.scheduler.wishes import RANKS, REQUIREMENTS, wish
from nebula.engine.store.rows import AddressRangeRow, ClusterRow, DatastoreRow, NetworkRow
from nebula.engine.store.transaction import Queries
from nebula.errors import ConflictError

Bound = frozenset[int]
"""Clusters to which the VM is bound by what it names; empty: to none."""


class _Wish(NamedTuple):
    """The expressions of one choice, as their attributes are called."""

    subject: Subject
    requirements: str
    rank: str
    what: str


class _Candidate(NamedTuple):
    id: int
    name: str
    cluster_id: int
    attributes: Attributes


def choose_datastore(
    queries: Queries, template: Mapping[str, Any], bound: Bound, shared: Callable[[DatastoreRow], bool]
) -> int:
    """The id of a system datastore (where there is none, of an image datastore): one that meets SCHED_DS_REQUIREMENTS, in
    the VM's cluster rather than not, the one of highest SCHED_DS_RANK, the oldest of equals.

    Raises ConflictError if none does.
    """
    rows = _datastores(queries, "system") or _datastores(queries, "image")
    if not rows:
        raise ConflictError("there is no system datastore for empty disks", hint="nebula datastore create system --type system")
    asked = _Wish(
        DATASTORE, wish(template, DATASTORE_REQUIREMENTS), wish(template, DATASTORE_RANK), DATASTORE_REQUIREMENTS
    )  # fmt: skip
    clusters = _clusters(queries)
    found = [
        _Candidate(row.id, row.name, row.cluster_id, datastore_attributes(row, clusters, shared=shared(row))) for row in rows
    ]
    return min(_meeting(found, asked), key=lambda item: (not _near(item, bound), -_rank(item, asked), item.id)).id


def require_datastore(queries: Queries, template: Mapping[str, Any], row: DatastoreRow, *, shared: bool) -> None:
    """ConflictError for a datastore that does not meet SCHED_DS_REQUIREMENTS."""
    asked = _Wish(DATASTORE, wish(template, DATASTORE_REQUIREMENTS), "", DATASTORE_REQUIREMENTS)
    attributes = datastore_attributes(row, _clusters(queries), shared=shared)
    required = requirement(asked.requirements, asked.subject, asked.what)
    if asked.requirements and not required.holds(attributes):
        raise ConflictError(
            f"datastore {row.name} does not meet {asked.what}",
            cause=required.why(attributes),
            hint=f"nebula datastore show {row.id}",
        )


def wishes_datastore(template: Mapping[str, Any]) -> bool:
    """Whether the template says anything about it."""
    return bool(wish(template, DATASTORE_REQUIREMENTS) or wish(template, DATASTORE_RANK))


def choose_networks(
    queries: Queries, nic: Mapping[str, Any], template: Mapping[str, Any], bound: Bound, used: Iterable[int]
) -> list[int]:
    """The ids of networks for a card with NETWORK_MODE=auto, best first: those of the VM's cluster that have a free address
    and meet the card's expression; such as no other card has (`used`); by rank, or by the fewest addresses taken.

    Raises ConflictError if there is none.
    """
    what = f"NIC/{REQUIREMENTS}"
    asked = _Wish(NETWORK, _card_wish(nic, template, REQUIREMENTS), _card_wish(nic, template, RANKS[0]), what)
    others, found = set(used), [item for item in _networks(queries) if _near(item, bound)]
    free = [item for item in found if item.attributes["FREE_LEASES"]]
    if not free:
        raise ConflictError("no network that the VM can use has a free address", hint="nebula network list")

    def worst_last(item: _Candidate) -> tuple[bool, int, int]:
        order = -_rank(item, asked) if asked.rank else int(str(item.attributes["USED_LEASES"]))
        return item.id in others, order, item.id

    return [item.id for item in sorted(_meeting(free, asked), key=worst_last)]


def _card_wish(nic: Mapping[str, Any], template: Mapping[str, Any], name: str) -> str:
    """The card's own expression, with the VM's values in it."""
    return wish({**template, name: nic.get(name)}, name)


def _datastores(queries: Queries, kind: str) -> Sequence[DatastoreRow]:
    return queries.select(DatastoreRow, '"type"=? AND "state"=0 ORDER BY "id"', (kind,))


def _networks(queries: Queries) -> list[_Candidate]:
    sizes: dict[int, int] = {}
    for row in queries.select(AddressRangeRow):
        sizes[row.network_id] = sizes.get(row.network_id, 0) + row.size
    clusters = _clusters(queries)
    return [
        _Candidate(row.id, row.name, row.cluster_id, network_attributes(row, clusters, size=sizes.get(row.id, 0)))
        for row in queries.select(NetworkRow, '"state"=1 ORDER BY "id"')
    ]


def _clusters(queries: Queries) -> dict[int, ClusterRow]:
    return {row.id: row for row in queries.select(ClusterRow)}


def _near(item: _Candidate, bound: Bound) -> bool:
    return item.cluster_id <= 0 or not bound or item.cluster_id in bound


def _rank(item: _Candidate, asked: _Wish) -> int:
    return rank(asked.rank, asked.subject).of(item.attributes)


def _meeting(found: Sequence[_Candidate], asked: _Wish) -> list[_Candidate]:
    required = requirement(asked.requirements, asked.subject, asked.what)
    able = [item for item in found if required.holds(item.attributes)]
    if not able:
        why = "; ".join(f"{item.name}: {required.why(item.attributes)}" for item in found[:10])
        raise ConflictError(f"no {asked.subject.noun} meets {asked.what}", cause=why, hint=f"nebula {asked.subject.noun} list")
    return able

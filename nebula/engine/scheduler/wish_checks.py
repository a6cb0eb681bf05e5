"""The expressions of a template, looked at when a VM is created or changed: silence later would help nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nebula.attributes import single
from nebula.engine.scheduler.expressions import (
    DATASTORE,
    HOST,
    NETWORK,
    Custom,
    Subject,
    check_rank,
    check_requirement,
    custom_names,
    substituted,
)
from nebula.engine.scheduler.policies import POLICY, policy_named
from nebula.engine.scheduler.wishes import RANKS, REQUIREMENTS
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, NetworkRow
from nebula.engine.store.transaction import Queries

DATASTORE_REQUIREMENTS = "SCHED_DS_REQUIREMENTS"
DATASTORE_RANK = "SCHED_DS_RANK"
EXPRESSIONS = (
    (REQUIREMENTS, HOST, check_requirement),
    *((name, HOST, check_rank) for name in RANKS),
    (DATASTORE_REQUIREMENTS, DATASTORE, check_requirement),
    (DATASTORE_RANK, DATASTORE, check_rank),
)
NIC_EXPRESSIONS = ((REQUIREMENTS, NETWORK, check_requirement), (RANKS[0], NETWORK, check_rank))


def check_wishes(queries: Queries, template: Mapping[str, Any], *, of: Collection[str] | None = None) -> None:
    """UsageError for an expression in the template that cannot be read, or can never mean anything. `of`: only for these
    attributes.
    """
    for name, subject, check in EXPRESSIONS:
        if (of is None or name in of) and template.get(name) not in (None, ""):
            text = str(single(name, template[name]))
            check(substituted(text, template, name), subject, name, _names(queries, subject))
    if of is None or POLICY in of:
        policy_named(template)


def check_card_wishes(queries: Queries, template: Mapping[str, Any]) -> None:
    """The same for the expressions of its cards."""
    for number, nic in enumerate(template.get("NIC") or ()):
        for name, subject, check in NIC_EXPRESSIONS:
            if nic.get(name) not in (None, ""):
                what = f"card {number}: {name}"
                text = str(single(f"NIC/{name}", nic[name]))
                check(substituted(text, template, what), subject, what, _names(queries, subject))


def _names(queries: Queries, subject: Subject) -> Custom:
    """The names that people set on objects of the kind, read when asked for."""
    return lambda: (
        host_names(queries) if subject is HOST else _datastores(queries) if subject is DATASTORE else _networks(queries)
    )


def host_names(queries: Queries) -> frozenset[str]:
    """The names that people set on hosts and clusters."""
    hosts = (row.body.get("attributes") or {} for row in queries.select(HostRow))
    clusters = (row.body.get("attributes") or {} for row in queries.select(ClusterRow))
    return custom_names(hosts) | custom_names(clusters)


def _datastores(queries: Queries) -> frozenset[str]:
    return custom_names(row.body.get("attributes") or {} for row in queries.select(DatastoreRow))


def _networks(queries: Queries) -> frozenset[str]:
    return custom_names(row.body.get("attributes") or {} for row in queries.select(NetworkRow))

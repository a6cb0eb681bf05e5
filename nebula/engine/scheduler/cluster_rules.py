"""How a cluster places VMs: attributes of its own, set by `nebula cluster update CLUSTER --set KEY=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.machines.template import yes
from nebula.engine.scheduler.expressions import HOST, check_rank
from nebula.engine.scheduler.policies import policy_named
from nebula.engine.scheduler.values import ClusterView
from nebula.engine.scheduler.wish_checks import host_names
from nebula.engine.scheduler.wishes import RANKS
from nebula.engine.store.rows import ClusterRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError

RANK = RANKS[0]
RESERVE = "RESERVE_HOST"


def check_cluster(queries: Queries, attributes: Mapping[str, Any]) -> None:
    """UsageError for a setting that means nothing."""
    policy, rank = policy_named(attributes), _rank(attributes)
    if rank:
        check_rank(rank, HOST, RANK, lambda: host_names(queries))
    yes(attributes, RESERVE)
    if policy == "custom" and not rank:
        raise UsageError(f"the policy custom needs a {RANK}", hint=f"--set SCHED_POLICY=custom --set '{RANK}=FREE_CPU'")


def cluster_view(row: ClusterRow) -> ClusterView:
    """What the scheduler sees of a cluster; a setting that cannot be read counts as not made."""
    attributes = row.body.get("attributes") or {}
    try:
        policy = policy_named(attributes)
    except UsageError:
        policy = ""
    return ClusterView(id=row.id, name=row.name, policy=policy or "striping", rank=_rank(attributes), reserve=reserves(row))


def reserves(row: ClusterRow) -> bool:
    """Whether the cluster keeps its largest host free."""
    try:
        return yes(row.body.get("attributes") or {}, RESERVE)
    except UsageError:
        return False


def _rank(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get(RANK) or "").strip()

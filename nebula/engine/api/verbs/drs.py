"""The verbs of the Distributed Resource Scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Rows


class Drs(Protocol):
    """The Distributed Resource Scheduler."""

    def status(self, cluster: str = "") -> Rows:
        """Of one cluster, or of all: settings, load, what holds it up, its last plan."""
        ...

    def plan(self, cluster: str, call: Call, bound: bool = False) -> Detail:
        """Make a plan now and store it as proposed; `cluster` "" means the only one. A dry run stores nothing. `bound`: say
        how far it is from a proven optimum, too.
        """
        ...

    def list(self, query: Query) -> Listing:
        """Plans, newest first."""
        ...

    def show(self, plan: int) -> Detail: ...
    def apply(self, plan: int, call: Call, moves: Sequence[int] = ()) -> Accepted:
        """Carry a proposed plan out: all of it, or the moves of these numbers (from 1)."""
        ...

    def set(self, cluster: str, changes: Mapping[str, str], call: Call) -> Accepted:
        """Change settings as people type them: {"mode": "full", "weights.cpu": "2"}. A DRS that stopped itself starts
        again.
        """
        ...

    def forecast(self, kind: str, ref: str) -> Detail:
        """Of a "vm" or a "host": the coming hour, mean and peak (.9 quantile); of a "cluster": when it is full."""
        ...

    def snapshot(self, cluster: str, anonymous: bool = False) -> dict[str, Any]:
        """What the planner sees, and the policy, as plain values for a file."""
        ...

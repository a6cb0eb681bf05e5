"""The verbs of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query


class Clusters(Protocol):
    """Clusters."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def create(self, name: str, call: Call) -> Accepted: ...
    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: attributes (a mapping), for expressions to name, of which an empty value takes one away;
        migration_tunnel (ssh|tls|plain), migration_bandwidth (MiB/s, 0 unlimited).
        """
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...

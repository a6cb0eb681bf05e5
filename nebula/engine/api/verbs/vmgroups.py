"""The verbs of VM groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.belongings import Belongings


class VmGroups(Belongings, Protocol):
    """Groups of VMs that share hosts or keep apart."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail:
        """Its roles and rules, and for each VM in it the role and the host."""
        ...

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name; roles, a list of name, policy (NONE|AFFINED|ANTI_AFFINED), host_affined and host_anti_affined
        (lists of hosts); affined and anti_affined, lists of lists of roles.
        """
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: roles (added, or changed where they exist), without (roles to take away), affined, anti_affined (each
        replaces what was). VMs that run stay where they are.
        """
        ...

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only one without VMs."""
        ...

"""The verbs of security groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.belongings import Belongings


class SecurityGroups(Belongings, Protocol):
    """Rules that say what may pass the cards that have them."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail:
        """Its rules, the networks that have it, and the cards."""
        ...

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name; rules, a list of OpenNebula's RULE groups: PROTOCOL, RULE_TYPE, RANGE, ICMP_TYPE, and one of IP (with
        SIZE), NETWORK_ID, SECURITY_GROUP_ID; attributes.
        """
        ...

    def clone(self, ref: str, name: str, call: Call) -> Accepted:
        """Another one with the same rules."""
        ...

    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """`changes`: rules (instead of all that there are), add (rules more), without (numbers of rules that go), attributes.
        Running VMs get them by the job that the answer names.
        """
        ...

    def commit(self, ref: str, call: Call) -> Accepted:
        """Tell all hosts its rules again, and take away there what is left of cards that are gone."""
        ...

    def remove(self, ref: str, call: Call) -> Accepted:
        """Only one that no network, no card and no rule of another one names."""
        ...

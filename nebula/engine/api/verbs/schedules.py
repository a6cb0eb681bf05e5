"""The verbs of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query


class Schedules(Protocol):
    """Actions that VMs get at a moment, once or repeatedly."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str) -> Detail: ...
    def create(self, ref: str, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`ref`: the VM. `spec`: OpenNebula's SCHED_ACTION (see schedules.plan): action; time, `+2h`, `2027-01-31 22:00` or
        seconds since the epoch; args, repeat, days, end_type, end_value; a name, if it is to have one.
        """
        ...

    def charter(self, ref: str, template: str, call: Call) -> Accepted:
        """The VM gets all that a stored template orders by SCHED_ACTION, or nothing; times count from now. `template` "": the
        one that it was made of.
        """
        ...

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """All of these but the action."""
        ...

    def remove(self, ref: str, call: Call) -> Accepted: ...

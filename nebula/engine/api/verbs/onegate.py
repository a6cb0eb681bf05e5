"""The verbs of OneGate: what guests say of themselves, known by their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, GateView


class OneGate(Protocol):
    """Where guests report to. `vm_id` and `token`: the VM's own; DeniedError for any other token."""

    def show(self) -> GateView: ...
    def set(self, listen: str, call: Call, endpoint: str = "") -> Accepted:
        """Listen on ADDRESS:PORT of the engine's machine, while its daemon runs; "" for not at all. `endpoint`: the URL that
        guests are told at their next start, http://ADDRESS:PORT without it.
        """
        ...

    def vm(self, vm_id: int, token: str) -> Detail:
        """The VM as OpenNebula's OneGate tells its guest: NAME, ID, STATE, LCM_STATE, USER_TEMPLATE, TEMPLATE."""
        ...

    def report(self, vm_id: int, token: str, attributes: Mapping[str, Any], call: Call) -> Accepted:
        """Attributes that the guest says of itself; an empty value takes one away. DeniedError for those that say what a VM is
        or where it may be, CapacityError for more than a VM keeps.
        """
        ...

"""What a VM's row keeps in its body, typed."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula.engine.machines.disks import Disk
from nebula.engine.store.rows import VmRow


class Nic(msgspec.Struct, kw_only=True):
    """A VM's card: which network, which addresses, which tap."""

    nic_id: int
    network_id: int
    network: str
    mac: str
    tap: str
    ip: str = ""
    ip6: str = ""
    model: str = "virtio"


class Waiting(msgspec.Struct, kw_only=True):
    """Why the scheduler left the VM waiting: in one line, and per host."""

    summary: str
    hosts: dict[str, str] = msgspec.field(default_factory=dict)
    at: float = 0.0


class Machine(msgspec.Struct, kw_only=True):
    """The body of a VM's row. `template` is as given (regular form); the rest was made from it."""

    template: dict[str, Any] = msgspec.field(default_factory=dict)
    disks: list[Disk] = msgspec.field(default_factory=list)
    nics: list[Nic] = msgspec.field(default_factory=list)
    waiting: Waiting | None = None
    prefer_host: int = -1
    hold: bool = False
    """It waits on hold once its images are there."""
    left_on: list[int] = msgspec.field(default_factory=list)
    """Hosts on which a migration that failed may have left something."""
    failures: int = 0
    """Failed deploys in a row, for the back-off."""
    not_before: float = 0.0
    """The scheduler leaves it alone until then."""

    @property
    def context(self) -> dict[str, str]:
        """CONTEXT of the template, as text."""
        return {str(key): "" if value is None else str(value) for key, value in self.template.get("CONTEXT", {}).items()}


def machine_of(vm: VmRow) -> Machine:
    """The typed body."""
    return msgspec.convert(vm.body, Machine)


def body_of(machine: Machine) -> dict[str, Any]:
    """Back to what the row keeps."""
    body: dict[str, Any] = msgspec.to_builtins(machine)
    return body

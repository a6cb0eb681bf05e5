"""A host while a plan is made."""

from __future__ import annotations

from nebula.engine.scheduler.expressions import Attributes
from nebula.engine.scheduler.ground import Ground
from nebula.engine.scheduler.values import HostView, VmView


class Room:
    """What is left on a host: CPU in hundredths of a core, memory in MiB, with the VMs of the plan on it (`taken`).

    `known` keeps what expressions gave for the host; `now` what they gave for it as it is with these VMs.
    """

    __slots__ = ("_attributes", "cpu", "cpu_max", "ground", "host", "known", "memory", "memory_max", "now", "taken", "version")

    def __init__(self, host: HostView, ground: Ground) -> None:
        self.host, self.ground = host, ground
        self.cpu, self.memory = host.cpu_free, host.memory_free
        self.cpu_max = max(1, host.cpu_max or host.cpu_free)
        self.memory_max = max(1, host.memory_max or host.memory_free)
        self.taken: list[VmView] = []
        self.known: dict[str, int] = {}
        self.now: dict[str, int] = {}
        self.version = 0
        """Grows with every VM that comes or goes."""
        self._attributes: Attributes | None = host.attributes

    @property
    def vms(self) -> int:
        """VMs on it."""
        return self.host.vms + len(self.taken)

    @property
    def attributes(self) -> Attributes:
        """What expressions see of it, with the VMs of the plan."""
        if self._attributes is None:
            self._attributes = _with(self.host.attributes, self.taken)
        return self._attributes

    def take(self, vm: VmView) -> None:
        """The VM comes."""
        self.taken.append(vm)
        self.ground.take(vm, self.host)
        self._changed(vm.cpu, vm.memory)

    def give(self, vm: VmView) -> None:
        """A VM of the plan goes."""
        self.taken.remove(vm)
        self.ground.give(vm, self.host)
        self._changed(-vm.cpu, -vm.memory)

    def _changed(self, cpu: int, memory: int) -> None:
        self.version += 1
        self.cpu -= cpu
        self.memory -= memory
        if self.host.attributes:
            self._attributes = None
            self.now.clear()


def _with(attributes: Attributes, vms: list[VmView]) -> Attributes:
    """A host's attributes after it took VMs; measured ones stay, as nothing was measured yet."""
    if not attributes or not vms:
        return attributes
    booked = attributes.get("CURRENT_VMS", ())
    return {
        **attributes,
        "RUNNING_VMS": _plus(attributes, "RUNNING_VMS", len(vms)),
        "CPU_USAGE": _plus(attributes, "CPU_USAGE", sum(vm.cpu for vm in vms)),
        "MEM_USAGE": _plus(attributes, "MEM_USAGE", sum(vm.memory for vm in vms) << 10),
        "CURRENT_VMS": (*(booked if isinstance(booked, tuple) else ()), *(vm.id for vm in vms)),
    }


def _plus(attributes: Attributes, name: str, amount: int) -> int:
    value = attributes.get(name, 0)
    return (value if isinstance(value, int) else 0) + amount

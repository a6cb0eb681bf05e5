"""What a VM needs of a host's own hardware: the scheduler finds a host that has it, and books it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.hardware.host_devices import PciWish, pci_wishes
from nebula.engine.machines.hardware.processor import PINNED, shape, size

_OF_MODELS = frozenset({"", "host-passthrough", "host-model", "maximum"})
_ASKING = ("PCI", "TOPOLOGY", "NUMA_NODE", "CPU_MODEL", "MEMORY_ENCRYPTION")


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """`parts`: (vCPUs, MiB) of its NUMA nodes that are tied to the host's; see Shape for the rest."""

    pci: tuple[PciWish, ...] = ()
    parts: tuple[tuple[int, int], ...] = ()
    pin: str = "none"
    node: int = -1
    page: int = 0
    cpu_model: str = ""
    """A model of libvirt's that the host must have; empty: any host will do."""
    cpu_features: tuple[str, ...] = ()
    encryption: str = ""

    @property
    def pinned(self) -> bool:
        """Whether it has CPUs of its own."""
        return self.pin in PINNED

    @property
    def held(self) -> bool:
        """Whether it has anything of the host for itself."""
        return bool(self.pci or self.parts)


def asks(template: Mapping[str, Any]) -> bool:
    """Whether it may need anything: a quick look."""
    return any(template.get(name) for name in _ASKING)


def needs_of(template: Mapping[str, Any], vcpus: int, memory: int) -> Needs | None:
    """None where any host will do. The template has been checked."""
    if not asks(template):
        return None
    shaped = shape(template, size(template, vcpus, memory))
    model = one(template, "CPU_MODEL")
    named = model.word("MODEL")
    features = (name.strip() for name in model.word("FEATURES").split(","))
    found = Needs(
        pci=pci_wishes(template),
        parts=(shaped.parts or ((vcpus, memory),)) if shaped.bound else (),
        pin=shaped.pin,
        node=shaped.node,
        page=shaped.page,
        cpu_model="" if named in _OF_MODELS else named,
        cpu_features=tuple(name.removeprefix("+") for name in features if name and not name.startswith("-")),
        encryption=one(template, "MEMORY_ENCRYPTION").word("TYPE"),
    )
    return None if found == Needs() else found

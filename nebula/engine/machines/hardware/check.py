"""Whether a template makes a domain: asked when a VM is created or changed, so that no start fails of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nebula.engine.machines.hardware.declared import BLOCKS
from nebula.engine.machines.hardware.devices import devices
from nebula.engine.machines.hardware.group import Group, many, one
from nebula.engine.machines.hardware.host_devices import pci_wishes
from nebula.engine.machines.hardware.processor import shape, size
from nebula.engine.machines.hardware.system import boot_order, system

OWN = frozenset({"DISK", "NIC", "NIC_DEFAULT"})
"""Blocks that are checked where disks and cards are made."""


def check_hardware(
    template: Mapping[str, Any], *, vcpus: int, memory: int, disks: Collection[int], nics: Collection[int]
) -> None:
    """UsageError for the first attribute that makes no sense, alone or beside the others. `memory` in MiB; `disks`
    and `nics`: their numbers.
    """
    for block in BLOCKS:
        for group in _groups(template, block) if block not in OWN else ():
            group.check()
    sizes = size(template, vcpus, memory)
    shape(template, sizes)
    system(template)
    boot_order(template, disks, nics)
    devices(template)
    pci_wishes(template)


def _groups(template: Mapping[str, Any], block: str) -> list[Group]:
    values = template.get(block) if block else template
    return many(template, block) if isinstance(values, list) else [one(template, block)]

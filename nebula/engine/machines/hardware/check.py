"""Whether a template makes a domain: asked when a VM is created or changed, so that no start fails of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nebula.engine.machines.hardware.remembered import check_blocks, hardware
from nebula.engine.machines.hardware.system import boot_order


def check_hardware(
    template: Mapping[str, Any], *, vcpus: int, memory: int, disks: Collection[int], nics: Collection[int]
) -> None:
    """UsageError for the first attribute that makes no sense, alone or beside the others. `memory` in MiB; `disks`
    and `nics`: their numbers.
    """
    check_blocks(template)
    hardware(template, vcpus, memory)
    boot_order(template, disks, nics)

"""What a template makes of a domain, disks and cards apart, read once for all VMs whose hardware is the same.

VMs of one template differ in their name, disks, cards and context. Reading the rest costs more than writing a VM's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from nebula import typed
from nebula.engine.machines.hardware.declared import BLOCKS
from nebula.engine.machines.hardware.devices import Devices, devices
from nebula.engine.machines.hardware.group import many, one
from nebula.engine.machines.hardware.host_devices import pci_wishes
from nebula.engine.machines.hardware.processor import Shape, Size, shape, size
from nebula.engine.machines.hardware.system import System, system

OWN = frozenset({"DISK", "NIC", "NIC_DEFAULT", "NIC_ALIAS"})
"""Blocks that are checked where disks and cards are made."""
_APART = OWN | {"CONTEXT", "NAME", "CPU", "DESCRIPTION"}
_READ = frozenset({*BLOCKS, *(attribute.name for attribute in BLOCKS[""])}) - _APART
_encode = msgspec.json.Encoder().encode
_decode = typed.decoder(dict[str, Any])


class Hardware(NamedTuple):
    """See the functions of these names."""

    sizes: Size
    shaped: Shape
    system: System
    devices: Devices


def hardware(template: Mapping[str, Any], vcpus: int, memory: int) -> Hardware:
    """UsageError for what does not fit together. `memory` in MiB."""
    return _hardware(_said(template), vcpus, memory)


def check_blocks(template: Mapping[str, Any]) -> None:
    """UsageError for the first attribute of a block that makes no sense by itself."""
    one(template, "").check()
    _check_blocks(_said(template))


def _said(template: Mapping[str, Any]) -> bytes:
    return _encode({name: value for name, value in template.items() if name in _READ})


@lru_cache(maxsize=256)
def _hardware(said: bytes, vcpus: int, memory: int) -> Hardware:
    template = _decode(said)
    sizes = size(template, vcpus, memory)
    found = Hardware(sizes, shape(template, sizes), system(template), devices(template))
    pci_wishes(template)
    return found


@lru_cache(maxsize=256)
def _check_blocks(said: bytes) -> None:
    template = _decode(said)
    for block in BLOCKS:
        if block and block not in OWN:
            values = template.get(block)
            for group in many(template, block) if isinstance(values, list) else [one(template, block)]:
                group.check()

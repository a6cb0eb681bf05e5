"""What a template says of a card beside its network and its addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.engine.machines.hardware.group import Group

if TYPE_CHECKING:
    from nebula.engine.machines.machine import Nic

INHERITED = tuple(f"{way}_{what}" for way in ("INBOUND", "OUTBOUND") for what in ("AVG_BW", "PEAK_BW", "PEAK_KB"))
"""What a network may say for all its cards."""


def settings_of(number: int, item: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a Nic; `network`: attributes of its network. UsageError for what makes no sense."""
    asked = Group("NIC", {**{name: network[name] for name in INHERITED if name in network}, **item}, f"NIC {number}")
    asked.check()
    model = asked.word("MODEL", "virtio")
    queues = asked.number("VIRTIO_QUEUES")
    if queues and model != "virtio":
        raise asked.refuse("VIRTIO_QUEUES", f"a {model} card has none", "MODEL: virtio")
    return {
        "name": asked.word("NAME"),
        "model": model,
        "queues": queues,
        "filter": asked.word("FILTER"),
        "guest_mtu": asked.number("GUEST_MTU"),
        "inbound": _bandwidth(asked, "INBOUND"),
        "outbound": _bandwidth(asked, "OUTBOUND"),
    }


def bandwidth_of(nic: Nic) -> dict[str, Any]:
    """What a card's bandwidth is, as a template says it."""
    said = (*nic.inbound, *nic.outbound)
    return {name: str(value) for name, value in zip(INHERITED, said, strict=True) if value}


def _bandwidth(asked: Group, way: str) -> tuple[int, int, int]:
    average, peak, burst = (asked.number(f"{way}_{what}") for what in ("AVG_BW", "PEAK_BW", "PEAK_KB"))
    if (peak or burst) and not average:
        name = f"{way}_PEAK_BW" if peak else f"{way}_PEAK_KB"
        raise asked.refuse(name, "a peak is above an average", f"{way}_AVG_BW: 1000")
    return average, peak, burst

"""Bridges that are the host's own: used as they are, never changed."""

from __future__ import annotations

from collections.abc import Mapping

from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Link
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec


def check_existing(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
    """ConflictError if the bridge is missing, is no bridge, or is down."""
    name = network.bridge
    link = present.get(name)
    if link is None:
        raise ConflictError(
            f"host {host.name} has no bridge {name}, which network {network.name} needs",
            hint=f"on {host.name}: ip link add name {name} type bridge && ip link set dev {name} up",
        )
    if link.kind != "bridge":
        raise ConflictError(
            f"{name} of host {host.name} is no bridge, which network {network.name} needs",
            cause=f"it is a device of kind {link.kind or 'hardware'}",
            hint=f"on {host.name}: ip -br link show type bridge",
        )
    if not link.up:
        raise ConflictError(f"bridge {name} of host {host.name} is down", hint=f"on {host.name}: ip link set dev {name} up")

"""A physical device as a bridge's port, taken only if the host itself does not live on it, or moves."""

from __future__ import annotations

from collections.abc import Mapping

from nebula.drivers.base import HostHandle
from nebula.drivers.network.hostaddresses import check_movable, own
from nebula.drivers.network.ip import Link, addresses, batch, routes
from nebula.drivers.network.uplinks import leads_out
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec


def check_port(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
    """ConflictError if the device is missing, is another bridge's port, or carries the host's own addresses or routes, where
    the network does not move those or they cannot be.
    """
    device = network.physical_device
    link = present.get(device)
    if link is None:
        raise ConflictError(f"host {host.name} has no network device {device}", hint=f"ssh {host.name} ip -br link")
    if link.master == network.bridge:
        return
    if link.master:
        raise ConflictError(
            f"{device} of host {host.name} belongs to {link.master} already",
            hint=f"use that bridge: nebula network create {network.name} --bridge {link.master}",
        )
    if network.move_addresses:
        _check_alone(host, network, present)
        lives = own(host, device)
        if lives:
            check_movable(host, lives, link, present)
        return
    used = [f"{one.local}/{one.prefixlen}" for one in addresses(host).get(device, []) if one.scope == "global"]
    used += [f"route to {route.dst}" for route in routes(host) if route.dev == device]
    if used:
        raise ConflictError(
            f"{device} of host {host.name} carries the host's own addresses and cannot become a port of {network.bridge}",
            cause=f"{', '.join(used[:4])}: they would stop working, and the host would be cut off",
            hint="make a bridge that carries them in the host's own network configuration, then: "
            f"nebula network create {network.name} --bridge br0; or have them moved: "
            f"nebula network create {network.name} --physical-device {device} --move-addresses",
        )


def _check_alone(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
    """ConflictError while the bridge has another way out: the host stays on its bridge when the network's VMs left it."""
    ways = [link.ifname for link in present.values() if link.master == network.bridge and leads_out(link)]
    if ways:
        raise ConflictError(
            f"{network.bridge} of host {host.name} goes through {ways[0]}, not {network.physical_device}, and carries the host",
            hint=f"nebula network update {network.name} --physical-device-on {host.name}={ways[0]}",
        )


def plug_port(host: HostHandle, network: NetworkSpec, link: Link) -> None:
    """Make the (checked) device a port of the bridge, with at least the network's MTU, and switch it on."""
    lines = [f"link set dev {link.ifname} mtu {network.mtu}"] if link.mtu < network.mtu else []
    if link.master != network.bridge:
        lines.append(f"link set dev {link.ifname} master {network.bridge}")
    batch(host, [*lines, f"link set dev {link.ifname} up"])

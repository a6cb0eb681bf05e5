"""The host's own addresses and routes, moved from an uplink onto a bridge of ours whose port it becomes, and back.

A bridge's port receives nothing for the host itself, so what it lives on must be on the bridge. The bridge takes the uplink's
MAC address: neighbours and switches see no change. Each way is confirmed from the other side, or undone: see `confirmed`.
"""

from __future__ import annotations

from collections.abc import Mapping

from nebula.drivers.base import HostHandle
from nebula.drivers.network import owned
from nebula.drivers.network.confirmed import Confirmed
from nebula.drivers.network.hostaddresses import Own, own
from nebula.drivers.network.ip import Link
from nebula.drivers.network.names import is_probe
from nebula.drivers.network.uplinks import leads_out
from nebula.errors import ConflictError
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec


def settle(host: HostHandle, network: NetworkSpec) -> None:
    """What an engine began that was killed since is confirmed or undone."""
    Confirmed(host, network.bridge_id).settle()


def announce(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> list[Finding]:
    """What would be moved there."""
    uplink = present[network.physical_device]
    lives = own(host, uplink.ifname)
    if uplink.master or not lives:
        return []
    named = ", ".join(f"{one.local}/{one.prefixlen}" for one in lives.lasting) or "its routes"
    text = f"{named} of host {host.name} moves from {uplink.ifname} onto {network.bridge} with the first VM there"
    return [Finding(check="move", level="note", text=text)]


def carries(host: HostHandle, network: NetworkSpec) -> bool:
    """Whether the host lives on the network's bridge."""
    return bool(own(host, network.bridge, whole=False))


def onto(host: HostHandle, network: NetworkSpec, uplink: Link, present: Mapping[str, Link]) -> None:
    """The (checked) uplink becomes a port of the bridge that was made, and what the host has on it is there. ConflictError with
    all as it was, without the bridge, if the host is not reached so.
    """
    lives, device, bridge = own(host, uplink.ifname), uplink.ifname, network.bridge
    if uplink.master == bridge or not lives:
        return
    wider = uplink.mtu < network.mtu
    forward = [
        f"link set dev {bridge} address {uplink.address}",
        *([f"link set dev {device} mtu {network.mtu}"] if wider else []),
        f"link set dev {bridge} mtu {max(uplink.mtu, network.mtu)}",
        f"link set dev {bridge} up",
        f"link set dev {device} master {bridge}",
        *lives.to(bridge),
    ]
    back = [
        *lives.on(bridge).to(device),
        f"link set dev {device} nomaster",
        *([f"link set dev {device} mtu {uplink.mtu}"] if wider else []),
        *([] if owned.cards(network, present) else [f"link delete dev {bridge} type bridge"]),
    ]
    _do(host, network, lives, bridge, forward, back)


def back(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
    """What the host has on the bridge is on the uplink again, which is free; nothing while there are cards. ConflictError with
    all as it was if the host is not reached so.
    """
    lives, device, bridge = own(host, network.bridge), network.physical_device, network.bridge
    ports = [link for link in present.values() if link.master == bridge]
    if not lives or any(not leads_out(link) and not is_probe(link.ifname) for link in ports):
        return
    if device not in present or present[device].master != bridge:
        raise ConflictError(
            f"{bridge} of host {host.name} carries the host's own addresses, and {device} is no port of it to take them back",
            hint=f"ssh {host.name} ip -br link show master {bridge}",
        )
    forward = [*lives.to(device), f"link set dev {device} nomaster"]
    undo = [f"link set dev {device} master {bridge}", *lives.on(device).to(bridge)]
    _do(host, network, lives, device, forward, undo)


def _do(host: HostHandle, network: NetworkSpec, lives: Own, target: str, forward: list[str], undo: list[str]) -> None:
    Confirmed(host, network.bridge_id).make(
        forward,
        undo,
        source=lives.device,
        target=target,
        ipv6=lives.ipv6,
        gateways=lives.gateways[:1],
        addresses=[one.local for one in lives.lasting],
    )

"""Bridges of our own: made whole or not at all, known by their tag, taken away with their last card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Link, batch, batch_locked, links
from nebula.drivers.network.names import check_device, is_probe, tag
from nebula.errors import CommandError, ConflictError
from nebula.model.network import NetworkSpec


def is_ours(network: NetworkSpec, link: Link) -> bool:
    """Whether this is the bridge that we made for the network."""
    return link.kind == "bridge" and link.ifalias == tag(network)


def check_name_free(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
    """ConflictError if somebody else has a device of the bridge's name."""
    link = present.get(network.bridge)
    if link is not None and not is_ours(network, link):
        raise ConflictError(
            f"host {host.name} has a device {network.bridge} that is not the bridge of network {network.name}",
            cause=f"its alias is {link.ifalias!r}, ours would be {tag(network)!r}",
            hint=f"use it as it is (nebula network create NAME --bridge {network.bridge}), or on the host: "
            f"ip link delete {network.bridge}",
        )


def ensure(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> Link:
    """The bridge, made if it is not there; not yet up."""
    check_name_free(host, network, present)
    if network.bridge in present:
        return present[network.bridge]
    complaint = _make(host, network)
    link = links(host).get(network.bridge)
    if link is None or not is_ours(network, link):
        raise CommandError(host.name, ["ip", "link", "add", network.bridge], 1, complaint, hint="ip -V; lsmod | grep bridge")
    return link


def raise_up(host: HostHandle, network: NetworkSpec, bridge: Link, least: int = 0) -> None:
    """Switch the bridge on, with its MTU, or `least`, what the host itself needs there. Its MAC is pinned, or it would follow
    whichever card is plugged.
    """
    lines = [f"link set dev {bridge.ifname} mtu {max(network.mtu, least)}"] if network.mtu else []
    if not network.physical_device:
        lines.append(f"link set dev {bridge.ifname} address {bridge.address}")
    batch(host, [*lines, f"link set dev {bridge.ifname} up"])


def cards(network: NetworkSpec, present: Mapping[str, Link]) -> list[str]:
    """What is plugged into the bridge beside its physical device."""
    ports: Iterable[Link] = (link for link in present.values() if link.master == network.bridge)
    return [link.ifname for link in ports if link.ifname != network.physical_device and not is_probe(link.ifname)]


def remove(host: HostHandle, network: NetworkSpec) -> None:
    """Delete the bridge; its physical device is free again by that."""
    batch(host, [f"link delete dev {check_device(network.bridge)} type bridge"])


def mac(network: NetworkSpec) -> str:
    """The MAC address of the network's bridge on every host, where guests ask the hosts themselves, all at one IP address; ""
    where they do not. So a guest that migrates knows the new host by what it knew of the old one, and asks on at once.
    """
    address = network.dhcp or (network.gateway if network.at_gateway else "")
    if not address or network.move_addresses:
        return ""
    return "06:00:" + ":".join(f"{part:02x}" for part in IPv4Address(address).packed)


def _make(host: HostHandle, network: NetworkSpec) -> str:
    """Make and tag the bridge under another name, so that one without a tag never has the real one, whenever we die."""
    unfinished, address = check_device(f"nbnew{network.bridge_id}"), mac(network)
    host.transport.run(["mkdir", "-p", host.root], root=True)
    complaint = batch_locked(
        host,
        [
            f"link delete dev {unfinished}",
            f"link add name {unfinished} type bridge stp_state 0",
            f"link set dev {unfinished} alias {tag(network)}",
            f"link set dev {unfinished} addrgenmode none",
            *([f"link set dev {unfinished} address {address}"] if address else []),
            f"link set dev {unfinished} name {network.bridge}",
            f"link delete dev {unfinished}",
        ],
    )
    _no_ipv6(host, network.bridge)
    return complaint


def _no_ipv6(host: HostHandle, bridge: str) -> None:
    """Keep the host itself from taking an IPv6 address on the guests' wire. A kernel without IPv6 has no such switch."""
    path = f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6"
    if host.transport.run(["test", "-e", path], root=True, check=False).status == 0:
        host.transport.run(["tee", path], stdin=b"1\n", root=True)

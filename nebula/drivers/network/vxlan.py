"""The network driver "vxlan": guests on all hosts share a wire that is tunnelled through their own network.

How hosts find each other is the network's mode. By default it is a multicast group a network, which the hosts' network must
carry. "static": what is for everybody is sent to each host that we know. "evpn": BGP daemons on the hosts (FRR) say who has
which address; the device is made as they need it, and they are their owner's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from nebula.drivers.base import HostHandle, NetworkCapabilities
from nebula.drivers.network import fdb
from nebula.drivers.network.ip import Link, addresses, links
from nebula.drivers.network.probing import Probe
from nebula.drivers.network.segment import SegmentNetwork, is_ours
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec

OVERHEAD = 50
"""Bytes of the headers of Ethernet, IPv4, UDP and VXLAN."""
_GROUPS = IPv4Address("239.0.0.0")
_PORT = 4789
_TTL = 16


class VxlanNetwork(SegmentNetwork):
    """A VXLAN device `vxVNI` as the port of a bridge of our own."""

    capabilities = NetworkCapabilities(vlan=True, nat=False, spans_hosts=True, dhcp=True, existing=False)
    overhead = OVERHEAD
    tunnels = True

    def device(self, network: NetworkSpec) -> str:
        """See SegmentNetwork.device."""
        return f"vx{network.vlan_id}"

    def options(self, network: NetworkSpec, source: str = "") -> str:
        """See SegmentNetwork.options."""
        ways = {
            "": f"group {_GROUPS + network.vlan_id} dev {network.physical_device}",
            "static": f"dev {network.physical_device}",
            "evpn": f"local {source} nolearning",
        }
        return f"type vxlan id {network.vlan_id} {ways[network.vxlan_mode]} dstport {_PORT} ttl {_TTL}"

    def source(self, host: HostHandle, network: NetworkSpec) -> str:
        """See SegmentNetwork.source: the uplink's first IPv4 address; ConflictError if it has none."""
        if network.vxlan_mode != "evpn":
            return ""
        return _address(host, network)

    def check_uplink(self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
        """See SegmentNetwork.check_uplink: where hosts find each other by addresses, it has one."""
        super().check_uplink(host, network, present)
        if network.vxlan_mode:
            _address(host, network)

    def joined(self, made: Probe, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See SegmentNetwork.joined."""
        if network.vxlan_mode == "static" and peers:
            made.inside("bridge", "-batch", "-", stdin=fdb.lines("append", "eth0", peers))

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See Network.tunnel_to."""
        device = self.device(network)
        link = links(host).get(device) if network.vxlan_mode == "static" else None
        if link is not None and is_ours(network, link):
            fdb.set_flooded(host, device, peers)


def _address(host: HostHandle, network: NetworkSpec) -> str:
    device = network.physical_device
    found = [one.local for one in addresses(host).get(device, []) if one.family == "inet" and one.scope != "link"]
    if not found:
        raise ConflictError(
            f"{device} of host {host.name} has no IPv4 address, which network {network.name} needs for its tunnel",
            hint=f"ssh {host.name} ip -br address show dev {device}",
        )
    return found[0]

"""The network driver "vxlan": guests on all hosts share a wire that is tunnelled through their own network.

Who has which address is learned from a multicast group a network, so the hosts' network must carry multicast between them.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from nebula.drivers.base import NetworkCapabilities
from nebula.drivers.network.segment import SegmentNetwork
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

    def device(self, network: NetworkSpec) -> str:
        """See SegmentNetwork.device."""
        return f"vx{network.vlan_id}"

    def options(self, network: NetworkSpec) -> str:
        """See SegmentNetwork.options."""
        group = _GROUPS + network.vlan_id
        return (
            f"type vxlan id {network.vlan_id} group {group} dev {network.physical_device} dstport {_PORT} ttl {_TTL}"
        )  # fmt: skip

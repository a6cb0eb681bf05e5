"""The network driver "ovswitch_vxlan": VLANs of an Open vSwitch of ours on each host, within a VXLAN that joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nebula.drivers.base import HostHandle, NetworkCapabilities
from nebula.drivers.network import segment, vsctl
from nebula.drivers.network.ip import Link, batch, links
from nebula.drivers.network.ovswitch import OvsNetwork
from nebula.drivers.network.vsctl import Bridge
from nebula.drivers.network.vxlan import VxlanNetwork
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec

TAG = 4
"""Bytes of a VLAN's tag, which packets have inside the tunnel."""


class OvsVxlanNetwork(OvsNetwork):
    """A VXLAN device `vxNUMBER` as the port of a bridge of our own."""

    capabilities = NetworkCapabilities(vlan=True, nat=False, spans_hosts=True, existing=False, devices="openvswitch")

    def __init__(self) -> None:
        self._tunnels = VxlanNetwork()

    def check_uplink(
        self, host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]
    ) -> None:
        """See OvsNetwork.check_uplink: the hosts' network is wide enough, and the tunnel's device is ours to make."""
        tunnel = _tunnel(network)
        other = vsctl.bridge_of(self._tunnels.device(tunnel), found)
        if other not in ("", network.bridge):
            raise ConflictError(
                f"{self._tunnels.device(tunnel)} of host {host.name} belongs to {other} already", hint="another --outer-vlan-id"
            )
        tags = 2 if network.customer_vlans else 1 if network.vlan_id or network.trunks else 0
        tagged = TAG * tags
        wide = msgspec.structs.replace(tunnel, mtu=tunnel.mtu + tagged) if tunnel.mtu else tunnel
        self._tunnels.check_uplink(host, wide, present)
        self._tunnels.check_device(host, tunnel, present)

    def connect(self, host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]) -> None:
        """See OvsNetwork.connect: the tunnel's device, made if it is not there."""
        tunnel = _tunnel(network)
        device = self._tunnels.device(tunnel)
        if device not in present:
            self._tunnels.make(host, tunnel)
        batch(host, [*([f"link set dev {device} mtu {network.mtu}"] if network.mtu else []), f"link set dev {device} up"])
        self.add_port(host, network, device, found)

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.release. The tunnel goes when its bridge is gone."""
        super().release(host, network)
        tunnel = _tunnel(network)
        device = self._tunnels.device(tunnel)
        link = links(host).get(device)
        if link is not None and segment.is_ours(tunnel, link) and network.bridge not in vsctl.present(host):
            batch(host, [f"link delete dev {device}"])

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See Network.tunnel_to."""
        self._tunnels.tunnel_to(host, _tunnel(network), peers)

    def ways_out(self, network: NetworkSpec) -> set[str]:
        """See OvsNetwork.ways_out."""
        return {self._tunnels.device(_tunnel(network))}


def _tunnel(network: NetworkSpec) -> NetworkSpec:
    """The network as the driver of VXLANs knows it."""
    return msgspec.structs.replace(network, vlan_id=network.outer_id)

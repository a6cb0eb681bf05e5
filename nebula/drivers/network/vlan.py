"""The network driver "802.1Q": a VLAN of the hosts' own network, tagged on a device that leads to it."""

from __future__ import annotations

from nebula.drivers.base import HostHandle, NetworkCapabilities
from nebula.drivers.network.segment import SegmentNetwork
from nebula.errors import ConflictError
from nebula.model.network import NetworkSpec

_PRESENT = "/proc/net/vlan"
"""There once the kernel knows VLANs."""


class VlanNetwork(SegmentNetwork):
    """A device `UPLINK.VLAN` as the port of a bridge of our own."""

    capabilities = NetworkCapabilities(vlan=True, nat=False, spans_hosts=True, dhcp=True, existing=False)
    overhead = 0

    def device(self, network: NetworkSpec) -> str:
        """See SegmentNetwork.device."""
        return f"{network.physical_device}.{network.vlan_id}"

    def options(self, network: NetworkSpec, source: str = "") -> str:  # noqa: ARG002 - it is no tunnel
        """See SegmentNetwork.options."""
        return f"link {network.physical_device} type vlan id {network.vlan_id}"

    def able(self, host: HostHandle) -> None:
        """See SegmentNetwork.able."""
        if _knows(host):
            return
        host.transport.run(["env", "modprobe", "8021q"], root=True, check=False)
        if not _knows(host):
            raise ConflictError(
                f"the kernel of host {host.name} knows no VLANs",
                cause="it has no module 8021q",
                hint=f"on {host.name}: modprobe 8021q   # it comes with the distribution's usual kernel, or its extra modules",
            )


def _knows(host: HostHandle) -> bool:
    return host.transport.run(["test", "-e", _PRESENT], root=True, check=False).status == 0

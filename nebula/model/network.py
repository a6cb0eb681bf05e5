"""Networks and cards as the network drivers are told of them."""

from __future__ import annotations

import msgspec

from nebula.model.firewall import CardFilter

OPEN_VSWITCH = frozenset({"ovswitch", "ovswitch_vxlan"})
"""Drivers whose bridges are no Linux bridges."""


class NetworkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual network. `owned`: we make the bridge and take it away with its last card; otherwise it must be there."""

    network_id: int
    name: str
    driver: str
    bridge: str
    owned: bool = False
    physical_device: str = ""
    """A device that becomes a port of an owned bridge, or through which a VLAN or VXLAN goes; empty: none."""
    physical_devices: tuple[tuple[int, str], ...] = ()
    """Hosts, by id, where that device is another one. Drivers get a network as it is `at` their host, without these."""
    move_addresses: bool = False
    """What the host has of its own on that device may be moved onto the bridge, which otherwise cannot have such a port."""
    vlan_id: int = 0
    """Of 802.1Q and Open vSwitch the VLAN, of VXLAN the network identifier; 0: neither."""
    trunks: tuple[int, ...] = ()
    """VLANs of Open vSwitch that guests tag themselves, beside `vlan_id`, which comes to them without its tag."""
    customer_vlans: tuple[int, ...] = ()
    """VLANs of Open vSwitch that guests tag themselves within `vlan_id` (QinQ); none: their packets have one tag."""
    qinq_type: str = ""
    """The type of the tag around those: 802.1ad (0x88a8) or 802.1q (0x8100)."""
    outer_id: int = 0
    """Of a VXLAN below an Open vSwitch the network identifier; 0: none."""
    vxlan_mode: str = ""
    """Of a VXLAN how hosts find each other: static, evpn; empty: by a multicast group."""
    mtu: int = 0
    gateway: str = ""
    """IPv4 of the gateway; the host itself carries it where `at_gateway`."""
    prefix_length: int = 24
    gateway6: str = ""
    prefix_length6: int = 64
    root_id: int = 0
    """Of a reservation the network that it was taken from, first of all, whose bridge it shares; 0: none."""
    nat: bool = False
    """The hosts route and masquerade for the guests."""
    routed: bool = False
    """The hosts route for the guests, whom others reach at their own addresses."""
    dhcp: str = ""
    """IPv4 at which each host that carries it gives its own guests addresses and names; empty: nobody does."""
    dns: tuple[str, ...] = ()
    """Where other names are asked for; empty: where the host itself asks."""

    @property
    def open_vswitch(self) -> bool:
        """Whether its bridge is one of Open vSwitch."""
        return self.driver in OPEN_VSWITCH

    @property
    def at_gateway(self) -> bool:
        """Whether the hosts are the guests' gateway, so that guests on two hosts do not reach each other by the bridge."""
        return self.nat or self.routed

    def device_at(self, host_id: int) -> str:
        """The physical device on that host."""
        return dict(self.physical_devices).get(host_id, self.physical_device)

    def at(self, host_id: int) -> NetworkSpec:
        """The network as that host has it."""
        if not self.physical_devices:
            return self
        return msgspec.structs.replace(self, physical_device=self.device_at(host_id), physical_devices=())

    @property
    def bridge_id(self) -> int:
        """The network whose bridge it is: what is made for one is made for all that share it."""
        return self.root_id or self.network_id


class Stray(NetworkSpec, frozen=True, kw_only=True):
    """What is left on a host of a network that is gone; its `name` are the devices."""

    held: str = ""
    """What the host itself has of it, for which it is left to a person; empty: nothing."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A card's addresses and what it is called, for DHCP and DNS; what is empty is not given or not known."""

    mac: str
    ip: str = ""
    ip6: str = ""
    name: str = ""


class NicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One card of a VM on one network."""

    vm_id: int
    nic_id: int
    tap: str
    mac: str
    network: NetworkSpec
    ip: str = ""
    ip6: str = ""
    filter: CardFilter | None = None
    """None: everything passes."""

    @property
    def ips(self) -> tuple[str, ...]:
        """All IPv4 addresses that are its own."""
        return tuple(address for address in (self.ip, *self._further) if address and ":" not in address)

    @property
    def ips6(self) -> tuple[str, ...]:
        """All IPv6 addresses that are its own."""
        return tuple(address for address in (self.ip6, *self._further) if ":" in address)

    @property
    def _further(self) -> tuple[str, ...]:
        return self.filter.further if self.filter else ()

    @property
    def bridge(self) -> str:
        """The bridge that its tap is plugged into."""
        return bridge_of_card(self.network, self.tap)


def bridge_of_card(network: NetworkSpec, tap: str) -> str:
    """The bridge that a card's tap is plugged into: the network's, or one of the card's own that leads there."""
    return f"{tap}b" if network.open_vswitch else network.bridge

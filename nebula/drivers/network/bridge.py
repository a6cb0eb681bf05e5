"""The network driver "bridge": Linux bridges, the host's own or ours, plain, routed or behind NAT."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from nebula.drivers.base import HostHandle, NetworkCapabilities
from nebula.drivers.network import dhcp, filters, moving, nat, owned, port, probing, strays, taps
from nebula.drivers.network.existing import check_existing
from nebula.drivers.network.findings import look
from nebula.drivers.network.ip import Link, links
from nebula.drivers.network.names import check_device
from nebula.model.host import Finding
from nebula.model.network import Lease, NetworkSpec, NicSpec, Stray


class BridgeNetwork:
    """Linux bridges through iproute2 and, for NAT, routing and filters, nftables, DHCP and DNS through dnsmasq.

    Between `prepare` and the moment at which a card is plugged, nobody may `release` the same network on the same host.
    """

    capabilities = NetworkCapabilities(vlan=False, nat=True, spans_hosts=False, dhcp=True, moves_addresses=True)
    tunnels = False

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """See Network.check."""
        _check_names(network)
        return look(host, network)

    @contextlib.contextmanager
    def probe(self, host: HostHandle, network: NetworkSpec, address: str, peers: Sequence[str] = ()) -> Iterator[probing.Probe]:
        """See Network.probe. Where the bridge is not there, a device of the probe's own goes the way that the bridge would."""
        _check_names(network)
        present = links(host)
        bridge = present.get(network.bridge)
        if bridge is None:
            with self.probe_apart(host, network, present, address, peers) as made:
                yield made
            return
        mtu, data = network.mtu or bridge.mtu, bridge.linkinfo.info_data
        settle = 1 + data.forward_delay // 50 if data.stp_state else 0
        lines = probing.cable(mtu, bridge.mtu, f"master {network.bridge}")
        with probing.started(host, network, address, mtu, lines, settle=settle, below=self.tunnels) as made:
            yield made

    @contextlib.contextmanager
    def probe_apart(
        self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link], address: str, peers: Sequence[str]
    ) -> Iterator[probing.Probe]:
        """The probe of a network whose bridge is not there yet; `peers`: see `tunnel_to`."""
        del peers
        if not network.owned:
            check_existing(host, network, present)
        port.check_port(host, network, present)
        uplink = present[network.physical_device]
        mtu = network.mtu or uplink.mtu
        with probing.started(
            host, network, address, mtu, probing.device(mtu, probing.through(uplink.ifname)), alone=True
        ) as made:
            yield made

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.prepare. Everything that could refuse is asked before anything is made."""
        _check_names(network)
        if network.move_addresses:
            moving.settle(host, network)
        present = links(host)
        if network.at_gateway:
            nat.check(host, network)
        if network.dhcp:
            dhcp.check(host, network)
        if not network.owned:
            check_existing(host, network, present)
            return
        if network.physical_device:
            port.check_port(host, network, present)
        bridge = owned.ensure(host, network, present)
        uplink = present.get(network.physical_device)
        if uplink is not None and network.move_addresses:
            moving.onto(host, network, uplink, present)
        if uplink is not None:
            port.plug_port(host, network, uplink)
        owned.raise_up(host, network, bridge, least=uplink.mtu if uplink is not None and network.move_addresses else 0)
        if network.at_gateway:
            nat.start(host, network)

    def expect(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.expect: it is the network's bridge."""

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.plugged."""
        taps.check_plugged(host, nic)

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.unplugged. A tap that a running QEMU holds is left alone."""
        taps.remove_leftover(host, nic)
        if nic.filter is not None:
            filters.remove_filters(host, [nic.tap])

    def set_filters(self, host: HostHandle, nics: Sequence[NicSpec]) -> None:
        """See Network.set_filters."""
        filters.set_filters(host, nics)

    def filtered(self, host: HostHandle) -> list[str]:
        """See Network.filtered."""
        return filters.filtered(host)

    def serve(self, host: HostHandle, network: NetworkSpec, leases: Sequence[Lease]) -> None:
        """See Network.serve."""
        bridge = links(host).get(network.bridge)
        if network.dhcp and bridge is not None and owned.is_ours(network, bridge):
            dhcp.check(host, network)
            dhcp.serve(host, network, leases, self._uplink(network))

    def serving(self, host: HostHandle) -> list[int]:
        """See Network.serving."""
        return dhcp.serving(host)

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See Network.tunnel_to: there is no tunnel."""

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.release. A bridge of that name that we did not make is never touched, nor one that has the host's own
        addresses.
        """
        _check_names(network)
        if not network.owned:
            return
        present = links(host)
        bridge = present.get(network.bridge)
        if bridge is not None and (not owned.is_ours(network, bridge) or owned.cards(network, present)):
            return
        if network.move_addresses and bridge is not None and moving.carries(host, network):
            return
        if network.dhcp:
            dhcp.stop(host, network)
        if network.at_gateway:
            nat.stop(host, network)
        if bridge is not None:
            owned.remove(host, network)

    def move_back(self, host: HostHandle, network: NetworkSpec) -> None:
        """See MovesAddresses."""
        _check_names(network)
        if not network.owned or not network.move_addresses:
            return
        moving.settle(host, network)
        present = links(host)
        bridge = present.get(network.bridge)
        if bridge is not None and owned.is_ours(network, bridge):
            moving.back(host, network, present)

    def strays(self, host: HostHandle, kept: Sequence[NetworkSpec]) -> list[Stray]:
        """See Network.strays: of all drivers whose devices are the kernel's."""
        return strays.found(host, kept)

    def clear_stray(self, host: HostHandle, stray: NetworkSpec) -> None:
        """See Network.clear_stray."""
        strays.clear(host, stray)

    def taps(self, host: HostHandle) -> list[str]:
        """See Network.taps."""
        return taps.list_taps(host)

    def _uplink(self, network: NetworkSpec) -> str:
        """The port of our own bridge that leads beyond the host; "" for none."""
        return network.physical_device


def _check_names(network: NetworkSpec) -> None:
    check_device(network.bridge)
    if network.physical_device:
        check_device(network.physical_device)

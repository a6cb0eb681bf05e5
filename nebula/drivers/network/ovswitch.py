"""The network driver "ovswitch": bridges of Open vSwitch, the host's own or ours, whose ports carry VLANs.

Each card has a bridge of its own in front, which filters (ovscards.py). Networks of one uplink share the bridge that has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from nebula.drivers.base import HostHandle, NetworkCapabilities
from nebula.drivers.network import ovscards, probing, strays, taps, vsctl
from nebula.drivers.network.findings import asked, tools
from nebula.drivers.network.ip import Link, batch, links
from nebula.drivers.network.names import check_device, is_probe, is_tap, tagged
from nebula.drivers.network.port import check_port
from nebula.drivers.network.uplinks import leads_out
from nebula.drivers.network.vsctl import Bridge
from nebula.errors import ConflictError, NebulaError
from nebula.model.host import Finding
from nebula.model.network import Lease, NetworkSpec, NicSpec, Stray

Questions = list[tuple[str, Callable[[], None]]]


class OvsNetwork:
    """Bridges through ovs-vsctl. A bridge is ours by a mark in the database of Open vSwitch, set as it is made.

    Between `prepare` and the moment at which a card is plugged, nobody may `release` a network of that bridge on the same host.
    """

    capabilities = NetworkCapabilities(vlan=True, nat=False, spans_hosts=False, devices="openvswitch")

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """See Network.check."""
        self._check_names(network)
        missing = tools(host, network)
        if missing:
            return missing
        try:
            found, present = vsctl.bridges(host), links(host)
        except ConflictError as error:
            return [Finding(check="openvswitch", level="error", text=str(error), fix=error.hint)]
        wrong = [one for check, ask in self._questions(host, network, found, present) for one in asked(check, ask)]
        if network.owned and vsctl.in_user_space(host):
            text = f"the kernel of host {host.name} has no Open vSwitch: its bridges are in user space, and slow"
            wrong.append(Finding(check="kernel", level="warning", text=text, fix="modprobe openvswitch"))
        ok = Finding(check="network", level="ok", text=f"host {host.name} can carry network {network.name} on {network.bridge}")
        return wrong or [ok]

    @contextlib.contextmanager
    def probe(
        self,
        host: HostHandle,
        network: NetworkSpec,
        address: str,
        peers: Sequence[str] = (),  # noqa: ARG002 - a bridge that is there knows them
    ) -> Iterator[probing.Probe]:
        """See Network.probe. Ports that an earlier one left in the database are forgotten."""
        self._check_names(network)
        found, present = vsctl.bridges(host), links(host)
        bridge = found.get(network.bridge)
        if bridge is None:
            with self.probe_apart(host, network, present, address) as made:
                yield made
            return
        own = present.get(network.bridge)
        mtu = network.mtu or (own.mtu if own is not None else 1500)
        left = [["--if-exists", "del-port", name] for name in bridge.ports if is_probe(name) and name not in present]
        with probing.started(host, network, address, mtu, probing.cable(mtu, mtu), below=bool(network.outer_id)) as made:
            port = ["add-port", bridge.name, made.name, *ovscards.place_words(network)]
            try:
                vsctl.tell(host, *left, port)
                yield made
            finally:
                with contextlib.suppress(NebulaError):
                    vsctl.tell(host, ["--if-exists", "del-port", made.name])

    @contextlib.contextmanager
    def probe_apart(
        self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link], address: str
    ) -> Iterator[probing.Probe]:
        """The probe of a network whose bridge is not there yet: it goes through the uplink that the bridge will have."""
        if not network.owned or not network.physical_device or network.outer_id:
            raise ConflictError(
                f"host {host.name} has no bridge {network.bridge} yet", hint="check it again with a VM of it on each host"
            )
        check_port(host, network, present)
        uplink, vlan = present[network.physical_device], ovscards.place(network)
        kind = "802.1ad" if network.customer_vlans and network.qinq_type == "802.1ad" else "802.1Q"
        options = f"link {uplink.ifname} type vlan proto {kind} id {vlan}" if vlan else probing.through(uplink.ifname)
        mtu = network.mtu or uplink.mtu
        with probing.started(host, network, address, mtu, probing.device(mtu, options), alone=True) as made:
            yield made

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.prepare. Everything that could refuse is asked before anything is made."""
        self._check_names(network)
        found, present = vsctl.bridges(host), links(host)
        for _, ask in self._questions(host, network, found, present):
            ask()
        if not network.owned:
            return
        if network.bridge not in found:
            make = ["--may-exist", "add-br", network.bridge]
            kind = ["set", "Bridge", network.bridge, f"datapath_type={'netdev' if vsctl.in_user_space(host) else 'system'}"]
            vsctl.tell(host, make, vsctl.mark_words(network.bridge, network.bridge), kind)
        self.connect(host, network, found, present)

    def _questions(
        self, host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]
    ) -> Questions:
        qinq: Questions = [("qinq", lambda: _check_tags(host, network))] if network.customer_vlans else []
        if not network.owned:
            return [
                *qinq,
                ("bridge", lambda: _check_existing(host, network, found)),
                ("vlan", lambda: _check_way_out(host, network, found)),
            ]
        return [
            *qinq,
            ("bridge", lambda: _check_name_free(host, network, found, present)),
            ("uplink", lambda: self.check_uplink(host, network, found, present)),
        ]

    def check_uplink(
        self, host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]
    ) -> None:
        """ConflictError if what leads out of the bridge of ours cannot do so."""
        device = network.physical_device
        other = vsctl.bridge_of(device, found) if device else ""
        if other and other != network.bridge:
            raise ConflictError(
                f"{device} of host {host.name} belongs to {other} already",
                hint=f"use that bridge: nebula network create {network.name} --driver ovswitch --bridge {other}",
            )
        if device and not other:
            check_port(host, network, present)

    def connect(self, host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]) -> None:
        """The bridge of ours has its (checked) way out, as wide as the network, and switched on."""
        if network.physical_device:
            uplink = present[network.physical_device]
            size = [f"link set dev {uplink.ifname} mtu {network.mtu}"] if uplink.mtu < network.mtu else []
            batch(host, [*size, f"link set dev {uplink.ifname} up"])
            self.add_port(host, network, uplink.ifname, found)

    def add_port(self, host: HostHandle, network: NetworkSpec, device: str, found: Mapping[str, Bridge]) -> None:
        """The device is a port of the bridge, for all VLANs."""
        if device not in (found[network.bridge].ports if network.bridge in found else ()):
            vsctl.tell(host, ["--may-exist", "add-port", network.bridge, device])

    def expect(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.expect. The card's own bridge is there, with its VLANs."""
        ovscards.make(host, nic, vsctl.bridges(host))

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.plugged. A card that is plugged elsewhere, or has other VLANs, is put right."""
        taps.require_tap(host, nic)
        found = vsctl.bridges(host)
        ovscards.make(host, nic, found)
        ovscards.plug(host, nic, found)

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.unplugged. What outlives its VM, be it in the database alone, goes; what a running QEMU holds stays."""
        taps.remove_leftover(host, nic)
        if is_tap(nic.tap) and nic.tap not in links(host):
            self._forget(host, nic.tap, vsctl.present(host))

    def _forget(self, host: HostHandle, tap: str, found: Mapping[str, Bridge]) -> None:
        if tap in ovscards.taps(found):
            ovscards.remove(host, tap)

    def set_filters(self, host: HostHandle, nics: Sequence[NicSpec]) -> None:
        """See Network.set_filters: each card in one step. One that is on no network and has no tap loses its bridge, too."""
        for nic in nics:
            # Read anew for each, as zones are given by what others have.
            found = vsctl.bridges(host) if nic.filter else vsctl.present(host)
            if nic.filter is not None:
                ovscards.shut(host, nic, found)
            elif not nic.network.bridge and nic.tap not in links(host):
                self._forget(host, nic.tap, found)
            else:
                ovscards.open_up(host, nic.tap, found)

    def filtered(self, host: HostHandle) -> list[str]:
        """See Network.filtered."""
        return ovscards.shut_ones(host, vsctl.present(host))

    def serve(self, host: HostHandle, network: NetworkSpec, leases: Sequence[Lease]) -> None:
        """See Network.serve: these bridges have no DHCP of ours, and no network on them gets any."""

    def serving(self, host: HostHandle) -> list[int]:  # noqa: ARG002 - there is none anywhere
        """See Network.serving."""
        return []

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See Network.tunnel_to: there is no tunnel."""

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.release. A bridge of that name that we did not make is never touched."""
        self._check_names(network)
        if not network.owned:
            return
        bridge = vsctl.present(host).get(network.bridge)
        if bridge is not None and bridge.mark == network.bridge and not self._used(bridge, network):
            vsctl.tell(host, ["--if-exists", "del-br", network.bridge])

    def _used(self, bridge: Bridge, network: NetworkSpec) -> bool:
        return any(not is_probe(port) for port in set(bridge.ports) - self.ways_out(network))

    def ways_out(self, network: NetworkSpec) -> set[str]:
        """Ports of the bridge of ours that are no cards."""
        return {network.physical_device}

    def strays(self, host: HostHandle, kept: Sequence[NetworkSpec]) -> list[Stray]:
        """See Network.strays: bridges with our mark. One that leads to another bridge is none."""
        names, present = {network.bridge for network in kept}, links(host)
        gone = (bridge for bridge in vsctl.present(host).values() if bridge.name not in names)
        found = (_stray(host, bridge, present) for bridge in gone)
        return [stray for stray in found if stray is not None]

    def clear_stray(self, host: HostHandle, stray: NetworkSpec) -> None:
        """See Network.clear_stray."""
        bridge = vsctl.present(host).get(stray.bridge)
        now = _stray(host, bridge, links(host)) if bridge is not None else None
        if now is not None and not now.held:
            vsctl.tell(host, ["--if-exists", "del-br", now.bridge])

    def taps(self, host: HostHandle) -> list[str]:
        """See Network.taps. Ports in the database whose device is gone are among them, and cards' bridges without any."""
        return sorted({*taps.list_taps(host), *ovscards.taps(vsctl.present(host))})

    def _check_names(self, network: NetworkSpec) -> None:
        for name in filter(None, (network.bridge, network.physical_device)):
            check_device(name)


def _stray(host: HostHandle, bridge: Bridge, present: Mapping[str, Link]) -> Stray | None:
    ports = [port for port in bridge.ports if not is_probe(port)]
    if bridge.mark != bridge.name or not all(port in present and leads_out(present[port]) for port in ports):
        return None
    ours = [port for port in ports if tagged(present[port].ifalias) >= 0]
    ways = [port for port in ports if port not in ours]
    return Stray(
        network_id=-1,
        name=bridge.name,
        driver="ovswitch",
        bridge=bridge.name,
        held=strays.held(host, bridge.name, ways, ours, present) if ways else "",
    )


def _check_tags(host: HostHandle, network: NetworkSpec) -> None:
    if not vsctl.sees_two_tags(host):
        raise ConflictError(
            f"Open vSwitch of host {host.name} does not look at the VLANs within VLANs that network {network.name} has",
            cause="its vlan-limit is 1, for all of its bridges",
            hint=f"on {host.name}: ovs-vsctl set Open_vSwitch . other_config:vlan-limit=2",
        )


def _check_existing(host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge]) -> None:
    if network.bridge not in found:
        raise ConflictError(
            f"Open vSwitch of host {host.name} has no bridge {network.bridge}, which network {network.name} needs",
            hint=f"on {host.name}: ovs-vsctl add-br {network.bridge}",
        )


def _check_way_out(host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge]) -> None:
    """ConflictError if what leads out of the host's bridge lets the network's VLAN through nowhere."""
    bridge, vlan = found.get(network.bridge), ovscards.place(network)
    if bridge is None or not vlan:
        return
    ways = {name: vlans for name, vlans in vsctl.ways(host, bridge).items() if not is_tap(name) and not is_probe(name)}
    trunks = [name for name, vlans in ways.items() if len(vlans) != 1]
    if ways and not any(not vlans or vlan in vlans for vlans in ways.values()):
        port = next(iter(trunks or ways))
        raise ConflictError(
            f"VLAN {vlan} of network {network.name} is missing on {port}, the uplink of {network.bridge} on host {host.name}",
            cause=f"it lets VLANs {', '.join(map(str, sorted(ways[port])))} through",
            hint=f"ovs-vsctl add Port {port} trunks {vlan}",
        )


def _check_name_free(host: HostHandle, network: NetworkSpec, found: Mapping[str, Bridge], present: Mapping[str, Link]) -> None:
    name, bridge = network.bridge, found.get(network.bridge)
    if bridge is not None and bridge.mark != name:
        raise ConflictError(
            f"Open vSwitch of host {host.name} has a bridge {name} that we did not make for network {network.name}",
            hint=f"use it as it is (nebula network create NAME --driver {network.driver} --bridge {name}), or on the host: "
            f"ovs-vsctl del-br {name}",
        )
    if bridge is None and name in present:
        raise ConflictError(
            f"host {host.name} has a device {name} that is no bridge of Open vSwitch",
            hint=f"on {host.name}: ip link delete {name}",
        )

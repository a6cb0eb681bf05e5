"""What leads out of a bridge that is the host's own: whether anything does, how wide it is, which VLANs pass."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Link
from nebula.drivers.network.names import is_probe, is_tap
from nebula.errors import CommandError
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec


class _Vlan(msgspec.Struct, frozen=True):
    vlan: int
    vlan_end: int = msgspec.field(default=0, name="vlanEnd")


class _Port(msgspec.Struct, frozen=True):
    ifname: str = ""
    vlans: tuple[_Vlan, ...] = ()


def look_at_uplinks(host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> list[Finding]:
    """Findings about the ports of the network's bridge that are nobody's cards."""
    bridge = present.get(network.bridge)
    if bridge is None or bridge.kind != "bridge":
        return []
    ports = [link for link in present.values() if link.master == bridge.ifname and leads_out(link)]
    if not ports:
        text = f"nothing leads out of bridge {bridge.ifname} on host {host.name}: its guests reach no other host"
        return [Finding(check="uplink", level="warning", text=text, fix=f"ip link set dev DEVICE master {bridge.ifname}")]
    return [*_state(host, network, bridge, ports), *_vlan(host, bridge, ports), *_delay(host, bridge)]


def leads_out(link: Link) -> bool:
    """Whether a bridge's port is nobody's card, nor a probe."""
    return link.kind != "tun" and not is_tap(link.ifname) and not is_probe(link.ifname)


def _state(host: HostHandle, network: NetworkSpec, bridge: Link, ports: list[Link]) -> list[Finding]:
    wanted = network.mtu or bridge.mtu
    found = []
    for port in ports:
        where = f"{port.ifname}, a port of {bridge.ifname} on host {host.name}"
        if not port.up:
            text = f"{where}, is down"
            found.append(Finding(check="uplink", level="warning", text=text, fix=f"ip link set dev {port.ifname} up"))
        elif port.mtu < wanted:
            text = f"{where}, has an MTU of {port.mtu}, but guests send packets of {wanted} bytes"
            fix = f"ip link set dev {port.ifname} mtu {wanted}"
            found.append(Finding(check="mtu", level="warning", text=text, fix=fix))
    return found


def _vlan(host: HostHandle, bridge: Link, ports: list[Link]) -> list[Finding]:
    """Where the bridge looks at VLANs, cards are in its default one, which some way out must have."""
    data = bridge.linkinfo.info_data
    if not data.vlan_filtering:
        return []
    vlan = data.vlan_default_pvid
    if not vlan:
        text = f"bridge {bridge.ifname} of host {host.name} filters VLANs and has no default one: cards are in none"
        fix = f"ip link set dev {bridge.ifname} type bridge vlan_default_pvid 1"
        return [Finding(check="vlan", level="error", text=text, fix=fix)]
    carried = _carried(host)
    if any(vlan in carried.get(port.ifname, ()) for port in ports):
        return []
    device = ports[0].ifname
    text = f"VLAN {vlan}, in which {bridge.ifname} of host {host.name} has its cards, is missing on its uplink {device}"
    return [Finding(check="vlan", level="error", text=text, fix=f"bridge vlan add dev {device} vid {vlan} pvid untagged")]


def _delay(host: HostHandle, bridge: Link) -> list[Finding]:
    data = bridge.linkinfo.info_data
    if not data.stp_state or not data.forward_delay:
        return []
    wait = data.forward_delay // 50
    text = f"bridge {bridge.ifname} of host {host.name} speaks STP: a new card waits {wait} s for its first packet"
    return [Finding(check="stp", level="note", text=text, fix=f"ip link set dev {bridge.ifname} type bridge stp_state 0")]


def _carried(host: HostHandle) -> dict[str, set[int]]:
    """The VLANs of each port of any bridge."""
    argv = ["bridge", "-j", "vlan", "show"]
    done = host.transport.run(argv, root=True)
    try:
        ports = typed.decode(done.stdout.strip() or b"[]", list[_Port])
    except msgspec.MsgspecError as error:
        raise CommandError(
            host.name, argv, 0, f"not understood: {error}", hint="bridge -V   # iproute2 4.18 or later"
        ) from error
    spans = {port.ifname: [(one.vlan, one.vlan_end or one.vlan) for one in port.vlans] for port in ports}
    return {name: {vlan for first, last in span for vlan in range(first, last + 1)} for name, span in spans.items()}

"""The bridge of its own that each card of Open vSwitch has: between its tap and the network's bridge, made before the tap.

The network's bridge switches and knows VLANs, there the card is the port `TAPp`. Its own bridge `TAPb` filters: what passes a
card is decided at one place whatever else is on the network's bridge, broadcasts included, which stays its owner's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network import ovsflows, vsctl
from nebula.drivers.network.names import check_device, is_tap
from nebula.drivers.network.vsctl import Bridge
from nebula.errors import CapacityError, ConflictError
from nebula.model.network import NetworkSpec, NicSpec, bridge_of_card
from nebula.transport.scripts import sh

Bridges = Mapping[str, Bridge]
_FIRST_ZONE, _LAST_ZONE = 0x6000, 0xFFFF
"""Away from those that other programs count from 1."""
_WAITED = "ovs-appctl revalidator/wait"
"""Until nothing follows flows that are gone."""
# Whoever speaks OpenFlow 1.1 or later no longer knows no-flood. It keeps the bridge's own port, which is down, out of FLOOD.
_REPLACE = f"""
ovs-ofctl --timeout=20 -OOpenFlow10 mod-port "$1" "$1" no-flood || exit
ovs-ofctl --timeout=20 -OOpenFlow14 --bundle replace-flows "$1" - || exit
[ -z "$2" ] || {_WAITED}
"""
_FLOWING = """
for bridge; do
    case "$(ovs-ofctl --timeout=20 -OOpenFlow14 dump-aggregate "$bridge" table=1)" in *flow_count=[1-9]*) echo "$bridge" ;; esac
done
true
"""
_NAME = re.compile(r"(one-\d+-\d+)b", re.ASCII)


def bridges(found: Bridges) -> dict[str, Bridge]:
    """Cards' own bridges among those of a host, by their tap."""
    matched = ((_NAME.fullmatch(bridge.name), bridge) for bridge in found.values() if bridge.mark == bridge.name)
    return {match[1]: bridge for match, bridge in matched if match}


def make(host: HostHandle, nic: NicSpec, found: Bridges, *more: Sequence[str]) -> None:
    """The card's bridge leads to its network's, with the card's VLANs; there already: put right. ConflictError if the network's
    bridge is missing. `more` is done in the same transaction.
    """
    onto = found.get(nic.network.bridge)
    if onto is None:
        raise ConflictError(
            f"Open vSwitch of host {host.name} has no bridge {nic.network.bridge}, which network {nic.network.name} needs",
            hint=f"nebula network check {nic.network.name}",
        )
    own, way, port = nic.bridge, _way(nic.tap), port_name(nic.tap)
    elsewhere = vsctl.bridge_of(port, found) not in ("", onto.name)
    commands = [
        ["--may-exist", "add-br", own],
        ["set", "Bridge", own, f"datapath_type={onto.datapath}"],
        vsctl.mark_words(own, own),
        ["--may-exist", "add-port", own, way],
        ["set", "Interface", way, "type=patch", f"options:peer={port}", f"ofport_request={ovsflows.WAY}"],
        *([["del-port", port]] if elsewhere else []),
        ["--may-exist", "add-port", onto.name, port, "--", "set", "Interface", port, "type=patch", f"options:peer={way}"],
        ["set", "Port", port, *_vlans(nic.network)],
    ]
    vsctl.tell(host, *commands, *more)


def remove(host: HostHandle, tap: str) -> None:
    """The card's bridge is gone, with all that is plugged into it; not there: nothing."""
    check_device(tap)
    own = _own(tap)
    vsctl.tell(host, ["--if-exists", "del-br", own], ["--if-exists", "del-port", port_name(tap)])


def plug(host: HostHandle, nic: NicSpec, found: Bridges) -> None:
    """The card's tap is a port of its own bridge, wherever it was before."""
    at = vsctl.bridge_of(nic.tap, found)
    if at != nic.bridge:
        vsctl.tell(host, *([["del-port", nic.tap]] if at else []), ["add-port", nic.bridge, nic.tap])


def shut(host: HostHandle, nic: NicSpec, found: Bridges) -> None:
    """From now on exactly what the card's filter says passes it, in one step; its bridge is there from then on."""
    there = bridges(found).get(nic.tap)
    zone = _zone(host, nic, found) if nic.filter and nic.filter.rules is not None else 0
    guard = vsctl.guard_words(nic.bridge, zone)
    if there is None:
        make(host, nic, found, guard)
    elif not there.secure or (zone and there.zone != zone):
        vsctl.tell(host, guard)
    _replace(host, nic.bridge, ovsflows.script(nic, zone), live=there is not None and nic.tap in there.ports)


def open_up(host: HostHandle, tap: str, found: Bridges) -> None:
    """Everything passes the card again."""
    there = bridges(found).get(tap)
    if there is not None and there.secure:
        _replace(host, there.name, ovsflows.OPEN, live=tap in there.ports)
        vsctl.tell(host, *vsctl.unguard_commands(there.name))


def shut_ones(host: HostHandle, found: Bridges) -> list[str]:
    """Taps of cards that flows of ours filter now, sorted."""
    secure = {bridge.name: tap for tap, bridge in bridges(found).items() if bridge.secure}
    if not secure:
        return []
    told = host.transport.run(sh(_FLOWING, *sorted(secure)), root=True).text.split()
    return sorted(secure[name] for name in told)


def port_name(tap: str) -> str:
    """The card's port of its network's bridge."""
    return f"{tap}p"


def place(network: NetworkSpec) -> int:
    """The VLAN in which the network's cards are, or the first of those that they tag; 0: none."""
    return network.vlan_id or next(iter(network.trunks), 0)


def place_words(network: NetworkSpec) -> list[str]:
    """What puts a port, as it is added, where untagged packets are in that VLAN."""
    vlan = place(network)
    if not vlan:
        return []
    tunnel = ["vlan_mode=dot1q-tunnel", f"other_config:qinq-ethtype={network.qinq_type}"] if network.customer_vlans else []
    return [f"tag={vlan}", *tunnel]


def _own(tap: str) -> str:
    return bridge_of_card(NetworkSpec(network_id=0, name="", driver="ovswitch", bridge=""), tap)


def _way(tap: str) -> str:
    return f"{tap}w"


def _vlans(network: NetworkSpec) -> list[str]:
    if network.customer_vlans:
        inner = ",".join(str(number) for number in network.customer_vlans)
        kind = f"other_config:qinq-ethtype={network.qinq_type}"
        return [f"tag={network.vlan_id}", "trunks=[]", "vlan_mode=dot1q-tunnel", f"cvlans=[{inner}]", kind]
    trunks = ",".join(str(number) for number in network.trunks)
    mode = "native-untagged" if trunks and network.vlan_id else "trunk" if trunks else "[]"
    return [f"tag={network.vlan_id or '[]'}", f"trunks=[{trunks}]", f"vlan_mode={mode}", "cvlans=[]"]


def _zone(host: HostHandle, nic: NicSpec, found: Bridges) -> int:
    """The card's, or one that nobody has, without connections that an earlier card left in it."""
    cards = bridges(found)
    if nic.tap in cards and cards[nic.tap].zone:
        return cards[nic.tap].zone
    used = {bridge.zone for bridge in cards.values()}
    zone = next((number for number in range(_FIRST_ZONE, _LAST_ZONE) if number not in used), 0)
    if not zone:
        raise CapacityError(f"host {host.name} has no zone left to track connections in", hint="another host")
    onto = found.get(nic.network.bridge)
    datapath = "netdev@ovs-netdev" if onto is not None and onto.datapath == "netdev" else "system@ovs-system"
    argv = ["ovs-appctl", "dpctl/flush-conntrack", datapath, f"zone={zone}"]
    host.transport.run(argv, root=True, check=False)
    return zone


def _replace(host: HostHandle, bridge: str, flows: str, *, live: bool) -> None:
    """`live`: return only when no packet follows former flows any more."""
    host.transport.run(sh(_REPLACE, bridge, "live" if live else ""), stdin=flows.encode("ascii"), root=True)


def taps(found: Bridges) -> set[str]:
    """Cards that are there, be it in the database alone."""
    return {port for bridge in found.values() for port in bridge.ports if is_tap(port)} | set(bridges(found))

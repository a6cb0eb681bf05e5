"""What probes of a network heard of each other, as findings: which host is at fault where that can be told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from nebula.drivers.base import Answer
from nebula.engine.api.values import Finding
from nebula.model.network import NetworkSpec

_NAMED = 5
"""How many hosts are named before the rest is a number."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe of a host heard. `mtu`: of guests there."""

    host: str
    address: str
    mtu: int
    answers: Mapping[str, Answer]
    """By the address of other probes."""
    gateway: bool = False
    """Whether something says that it is the network's gateway."""
    end: str = ""
    """Where the network's tunnel begins and ends on the host."""
    below: Mapping[str, Answer] = {}
    """By the address of other hosts' ends."""
    uplink: str = ""
    """The device that leads out of the network there; empty where it is the network's own on all hosts, or none."""


def judge(network: NetworkSpec, heard: Sequence[Heard]) -> list[Finding]:
    """Findings host by host, in their order; "ok" for a host that reaches others, if there is nothing else to say."""
    if len(heard) < 2:
        return []
    return [finding for one in heard for finding in _Judge(network, heard).of(one)]


class _Judge:
    def __init__(self, network: NetworkSpec, heard: Sequence[Heard]) -> None:
        self._network, self._all = network, heard
        self._alone = {one.host for one in heard if self._is_alone(one)}
        self._narrow = {one.host for one in heard if self._is_narrow(one)}

    def of(self, one: Heard) -> list[Finding]:
        """Of one host."""
        found = [*self._reach(one), *self._width(one), *self._gateway(one)]
        met = [other.host for other in self._others(one) if _meet(one, other)]
        if found or not met:
            return found
        text = f"guests on host {one.host} reach those on {_names(met)} by packets of up to {one.mtu} bytes"
        return [Finding(where=one.host, check="reach", level="ok", text=text)]

    # --- who reaches whom

    def _reach(self, one: Heard) -> Iterator[Finding]:
        mute = [other for other in self._others(one) if not _meet(one, other)]
        if one.host not in self._alone:
            mute = [other for other in mute if other.host not in self._alone]
        if not mute:
            return
        names = _names([other.host for other in mute])
        meanwhile = ", which the others reach" if one.host in self._alone and len(self._all) > 2 else ""
        text = f"{self._wire()} of host {one.host} does not lead to {names}{meanwhile}{self._why(one, mute)}"
        yield Finding(where=one.host, check="reach", level="error", text=text, fix=self._mend(one, mute))

    def _why(self, one: Heard, mute: Sequence[Heard]) -> str:
        if any(one.answers[other.address].found for other in mute if other.address in one.answers):
            return ": ARP passes, other packets do not, so something filters them"
        if self._apart(one, mute):
            return f": the hosts themselves do not reach each other through {self._uplink(one)}"
        if one.below:
            group = "" if self._network.vxlan_mode else ", or the multicast group does not pass the switches"
            return f": the hosts reach each other, so UDP port 4789 is closed on one of them{group}"
        if not self._network.vlan_id:
            return ": no ARP passes"
        who = "it" if one.host in self._alone else "one of them"
        uplink = self._uplink(one) or "the uplink"
        return (
            f": no ARP passes, so VLAN {self._network.vlan_id} is missing at {uplink} of {who}, or at the switch's port there"
        )

    def _mend(self, one: Heard, mute: Sequence[Heard]) -> str:
        network = self._network
        apart = self._apart(one, mute)
        if apart:
            return f"ssh {one.host} ip route get {apart[0].end}"
        if one.below:
            accept = f"on {one.host}: nft insert rule inet filter input udp dport 4789 accept"
            return accept if network.vxlan_mode else f"{accept}; or a network with --vxlan-mode static"
        if network.vlan_id:
            port = f"the port of {one.host}'s {self._uplink(one) or 'uplink'}"
            return f"bridge vlan add dev PORT vid {network.vlan_id}   # on the switch, for {port}"
        return f"ssh {one.host} ip -br link show master {network.bridge}   # what of it leads to the other hosts, and is it up?"

    def _apart(self, one: Heard, mute: Sequence[Heard]) -> list[Heard]:
        """Those whose ends of the tunnel the host itself does not find."""
        known = [other for other in mute if other.end in one.below]
        return [other for other in known if not (one.below[other.end].found or one.below[other.end].whole)]

    def _is_alone(self, one: Heard) -> bool:
        """It reaches nobody, while others reach each other, or it alone finds no gateway: the fault is on its side."""
        others = self._others(one)
        if any(_meet(one, other) for other in others):
            return False
        if any(_meet(first, second) for first in others for second in others if first is not second):
            return True
        return not one.gateway and any(other.gateway for other in others)

    # --- how wide it is

    def _width(self, one: Heard) -> Iterator[Finding]:
        widest = max(other.mtu for other in self._all)
        if one.mtu < widest:
            text = f"guests on host {one.host} send packets of up to {one.mtu} bytes, those on others {widest}"
            fix = f"on {one.host}: ip link set dev {self._network.bridge} mtu {widest}"
            yield Finding(where=one.host, check="mtu", level="warning", text=text, fix=fix)
        cut = [other for other in self._others(one) if _cut(one, other)]
        if one.host not in self._narrow:
            cut = [other for other in cut if other.host not in self._narrow]
        if not cut:
            return
        passing = min(one.answers[other.address].whole for other in cut)
        names = _names([other.host for other in cut])
        text = f"packets of {one.mtu} bytes do not pass between host {one.host} and {names}: up to {passing} do"
        uplink = self._uplink(one) or f"PORT   # of {self._network.bridge}"
        fix = f"on the hosts and the switches between: ip link set mtu {one.mtu + self._around()} dev {uplink}"
        yield Finding(where=one.host, check="mtu", level="error", text=text, fix=fix)

    def _is_narrow(self, one: Heard) -> bool:
        """Whatever it sends is cut, while others' packets pass: the fault is on its side."""
        others = self._others(one)
        met = [other for other in others if _meet(one, other)]
        if not met or not all(_cut(one, other) or _cut(other, one) for other in met):
            return False
        pairs = ((first, second) for first in others for second in others if first is not second and _meet(first, second))
        return any(not _cut(first, second) for first, second in pairs)

    def _around(self) -> int:
        return 50 if "vxlan" in self._network.driver else 0

    # --- the gateway

    def _gateway(self, one: Heard) -> Iterator[Finding]:
        if one.gateway or one.host in self._alone or not any(other.gateway for other in self._all):
            return
        text = f"no gateway {self._network.gateway} answers guests on host {one.host}, as it does on others"
        fix = f"ssh {one.host} bridge fdb show br {self._network.bridge}"
        yield Finding(where=one.host, check="gateway", level="warning", text=text, fix=fix)

    def _uplink(self, one: Heard) -> str:
        return one.uplink or self._network.physical_device

    def _others(self, one: Heard) -> list[Heard]:
        return [other for other in self._all if other is not one]

    def _wire(self) -> str:
        network = self._network
        if network.outer_id or network.driver == "vxlan":
            return f"VXLAN {network.outer_id or network.vlan_id} through {network.physical_device}"
        return f"VLAN {network.vlan_id} on {network.bridge}" if network.vlan_id else f"bridge {network.bridge}"


def _meet(one: Heard, other: Heard) -> bool:
    """Packets pass between them both ways, small ones at least."""
    return any(to.address in source.answers and source.answers[to.address].whole for source, to in ((one, other), (other, one)))


def _cut(one: Heard, other: Heard) -> bool:
    """Small packets pass, the largest ones that guests send do not."""
    answer = one.answers.get(other.address)
    return answer is not None and 0 < answer.whole < one.mtu


def _names(hosts: Sequence[str]) -> str:
    if len(hosts) <= _NAMED:
        return ", ".join(hosts)
    return f"{', '.join(hosts[: _NAMED - 1])} and {len(hosts) - _NAMED + 1} more"

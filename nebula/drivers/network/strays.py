"""What is left on a host of networks that are gone, told by our tag: the host was away when they were removed, or was given up
and came back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network import dhcp, nat, nft
from nebula.drivers.network.hostaddresses import own
from nebula.drivers.network.ip import Link, batch, links
from nebula.drivers.network.names import check_device, is_probe, table, tagged
from nebula.drivers.network.uplinks import leads_out
from nebula.model.network import NetworkSpec, Stray


def found(host: HostHandle, kept: Sequence[NetworkSpec]) -> list[Stray]:
    """See Network.strays. A bridge with a card, be it of whomever, is none."""
    present = links(host)
    numbers = {tagged(link.ifalias) for link in present.values()} | set(dhcp.serving(host))
    gone = sorted(numbers - {network.bridge_id for network in kept} - {-1})
    strays = (_stray(host, number, present) for number in gone)
    return [stray for stray in strays if stray is not None]


def clear(host: HostHandle, stray: NetworkSpec) -> None:
    """See Network.clear_stray. What leads out of a bridge goes before it, if it is ours, and is free afterwards if not."""
    present = links(host)
    now = _stray(host, stray.bridge_id, present)
    if now is None or now.held:
        return
    if stray.bridge_id in dhcp.serving(host):
        dhcp.stop(host, stray)
    if nft.chains(host, "ip", table(stray)):
        nat.stop(host, stray)
    for name in _devices(stray.bridge_id, present):
        batch(host, [f"link delete dev {check_device(name)}"])


def held(host: HostHandle, bridge: str, ways: Sequence[str], ours: Sequence[str], present: Mapping[str, Link]) -> str:
    """Why a bridge of ours is left to a person, out of which devices of the host (`ways`) and of ours lead; empty: it may go.
    Through one with a single way out, and without an address of the host, nobody reaches anybody.
    """
    lives = own(host, bridge, whole=False)
    if lives:
        named = ", ".join(f"{one.local}/{one.prefixlen}" for one in lives.lasting) or f"routes: {'; '.join(lives.routes[:2])}"
        return f"it carries the host's own {named}"
    above = sorted(link.ifname for link in present.values() if bridge in (link.link, link.linkinfo.info_data.link))
    if above:
        return f"{', '.join(above)} goes through it"
    return f"it joins {', '.join([*ways, *ours])}" if len([*ways, *ours]) > 1 else ""


def _stray(host: HostHandle, number: int, present: Mapping[str, Link]) -> Stray | None:
    names = _devices(number, present)
    bridge = next((name for name in names if present[name].kind == "bridge"), "")
    ports = [link for link in present.values() if link.master in names and link.ifname not in names]
    foreign = [link for link in ports if not is_probe(link.ifname)]
    if not all(leads_out(link) for link in foreign):
        return None
    ways, ours = [link.ifname for link in foreign], [name for name in names if present[name].kind != "bridge"]
    return Stray(
        network_id=number,
        name=", ".join(names) or f"DHCP of network {number}",
        driver="bridge",
        bridge=bridge,
        held=held(host, bridge, ways, ours, present) if ways else "",
    )


def _devices(number: int, present: Mapping[str, Link]) -> list[str]:
    """The network's devices, bridges last."""
    tagged_so = [link for link in present.values() if tagged(link.ifalias) == number]
    return [link.ifname for link in sorted(tagged_so, key=lambda link: (link.kind == "bridge", link.ifname))]

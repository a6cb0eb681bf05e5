"""What is left on a host of networks that are gone, told by our tag: the host was away when they were removed, or was given up
and came back.
"""

from __future__ import annotations

from collections.abc import Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network import dhcp, nat, nft
from nebula.drivers.network.ip import Link, batch, links
from nebula.drivers.network.names import check_device, is_probe, table, tagged
from nebula.model.network import NetworkSpec


def found(host: HostHandle, kept: Sequence[NetworkSpec]) -> list[NetworkSpec]:
    """See Network.strays. A bridge with any port that is not ours is left alone, be it a card or what leads out of the host."""
    present = links(host)
    numbers = {tagged(link.ifalias) for link in present.values()} | set(dhcp.serving(host))
    gone = sorted(numbers - {network.bridge_id for network in kept} - {-1})
    return [_stray(number, present) for number in gone if not _used(number, present)]


def clear(host: HostHandle, stray: NetworkSpec) -> None:
    """See Network.clear_stray. What leads out of a bridge goes before it."""
    present = links(host)
    if _used(stray.bridge_id, present):
        return
    if stray.bridge_id in dhcp.serving(host):
        dhcp.stop(host, stray)
    if nft.chains(host, "ip", table(stray)):
        nat.stop(host, stray)
    for name in _devices(stray.bridge_id, present):
        batch(host, [f"link delete dev {check_device(name)}"])


def _stray(number: int, present: dict[str, Link]) -> NetworkSpec:
    names = _devices(number, present)
    bridge = next((name for name in names if present[name].kind == "bridge"), "")
    return NetworkSpec(network_id=number, name=", ".join(names) or f"DHCP of network {number}", driver="bridge", bridge=bridge)


def _devices(number: int, present: dict[str, Link]) -> list[str]:
    """The network's devices, bridges last."""
    own = [link for link in present.values() if tagged(link.ifalias) == number]
    return [link.ifname for link in sorted(own, key=lambda link: (link.kind == "bridge", link.ifname))]


def _used(number: int, present: dict[str, Link]) -> bool:
    own = set(_devices(number, present))
    return any(link.master in own and link.ifname not in own and not is_probe(link.ifname) for link in present.values())

"""IPv4 forwarding for the path between a NAT bridge and the outside, and back to what it was.

Only the bridge and the devices of the default routes forward, never the whole host. Which devices we switched on is kept in
an nftables set: it lives in the kernel and dies at a reboot, as the switches themselves do.
"""

from __future__ import annotations

from collections.abc import Iterable

from nebula.drivers.base import HostHandle
from nebula.drivers.network import nft
from nebula.drivers.network.ip import Route
from nebula.drivers.network.names import check_device

_TABLE = "nebula_forwarding"
_SET = "switched_on"
_GLOBAL = "/proc/sys/net/ipv4/ip_forward"


def uplinks(routed: Iterable[Route]) -> list[str]:
    """Devices of the main table's default routes, sorted."""
    return sorted({route.dev for route in routed if route.dst == "default" and route.dev and route.table == "main"})


def switched_off(host: HostHandle, devices: Iterable[str]) -> list[str]:
    """Those of the devices that do not forward."""
    asked = list(devices)
    if not asked:
        return []
    done = host.transport.run(["cat", *map(_path, asked)], root=True)
    return [device for device, value in zip(asked, done.text.split(), strict=True) if value == "0"]


def switch_on(host: HostHandle, bridge: str, outward: Iterable[str]) -> None:
    """Let packets pass between the bridge and the outward devices."""
    off = switched_off(host, [bridge, *outward])
    ours = [device for device in off if device != bridge]
    if ours:
        # Written down first: putting back a 0 that was a 0 does no harm.
        elements = ", ".join(f'"{check_device(device)}"' for device in ours)
        nft.load(host, f"table ip {_TABLE} {{\nset {_SET} {{\ntype ifname\nelements = {{ {elements} }}\n}}\n}}")
    for device in off:
        _write(host, device, "1")


def switch_back(host: HostHandle) -> None:
    """Switch off what we switched on, unless another of our networks needs it, or somebody made the whole host forward."""
    tables = nft.tables(host)
    if _TABLE not in tables or any(name.startswith("nebula_net_") for name in tables):
        return
    if host.transport.run(["cat", _GLOBAL], root=True).text.strip() == "0":
        for device in nft.elements(host, _TABLE, _SET):
            if host.transport.run(["test", "-e", _path(device)], root=True, check=False).status == 0:
                _write(host, device, "0")
    nft.drop(host, _TABLE)


def _write(host: HostHandle, device: str, value: str) -> None:
    host.transport.run(["tee", _path(device)], stdin=f"{value}\n".encode(), root=True)


def _path(device: str) -> str:
    return f"/proc/sys/net/ipv4/conf/{check_device(device)}/forwarding"

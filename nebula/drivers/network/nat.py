"""Networks whose gateway is the host: it hides the guests behind its own address (NAT), or routes for them as they are."""

from __future__ import annotations

from ipaddress import IPv4Network

from nebula.drivers.base import HostHandle
from nebula.drivers.network import forwarding, iptables, nft
from nebula.drivers.network.ip import Address, addresses, batch, routes
from nebula.drivers.network.names import check_device, table
from nebula.drivers.network.subnet import check_free, gateway_subnet, known_subnets
from nebula.errors import UsageError
from nebula.model.network import NetworkSpec


def check(host: HostHandle, network: NetworkSpec) -> None:
    """UsageError or ConflictError if this host cannot be the network's gateway; changes nothing."""
    if not network.owned:
        raise UsageError(
            f"network {network.name} cannot have its gateway on {network.bridge}, which is not ours",
            hint=f"leave out the bridge: nebula network create {network.name} --{'routed' if network.routed else 'nat'}",
        )
    check_free(host, network, gateway_subnet(network), known_subnets(addresses(host), routes(host), network.bridge))


def start(host: HostHandle, network: NetworkSpec) -> None:
    """Give the (checked) bridge its address, let packets pass, and masquerade, unless it is routed. Again: the same."""
    subnet = gateway_subnet(network)
    _address(host, network, addresses(host).get(network.bridge, []))
    nft.load(host, ruleset(network, subnet))
    iptables.let_through(host, network, subnet)
    forwarding.switch_on(host, network.bridge, forwarding.uplinks(routes(host)))


def stop(host: HostHandle, network: NetworkSpec) -> None:
    """Take away what `start` made, but for the bridge and its address. Nothing there: nothing."""
    iptables.take_back(host, network)
    nft.drop(host, table(network))
    forwarding.switch_back(host)


def ruleset(network: NetworkSpec, subnet: IPv4Network) -> str:
    """The network's own table: no forged sources; with NAT masquerade to the outside, and nobody from there uninvited."""
    bridge, name = check_device(network.bridge), table(network)
    inward = "" if network.routed else " ct state established,related"
    return f"""\
table ip {name}
delete table ip {name}
table ip {name} {{{"" if network.routed else _masquerade(bridge, subnet)}
    chain forward {{
        type filter hook forward priority -10; policy accept;
        iifname "{bridge}" oifname "{bridge}" accept
        iifname "{bridge}" ip saddr {subnet} accept
        iifname "{bridge}" drop
        oifname "{bridge}" ip daddr {subnet}{inward} accept
        oifname "{bridge}" drop
    }}
}}"""


def _masquerade(bridge: str, subnet: IPv4Network) -> str:
    return f"""
    chain postrouting {{
        type nat hook postrouting priority 100; policy accept;
        ip saddr {subnet} ip daddr != {{ {subnet}, 224.0.0.0/4, 255.255.255.255 }} oifname != "{bridge}" masquerade
    }}"""


def _address(host: HostHandle, network: NetworkSpec, present: list[Address]) -> None:
    """The gateway's address and no other IPv4 on the bridge."""
    wanted = f"{network.gateway}/{network.prefix_length}"
    has = [f"{one.local}/{one.prefixlen}" for one in present if one.family == "inet"]
    lines = [f"address delete {one} dev {network.bridge}" for one in has if one != wanted]
    if wanted not in has:
        lines.append(f"address replace {wanted} dev {network.bridge}")
    if lines:
        batch(host, lines)

"""DHCP and DNS for networks that want it: a dnsmasq a network on each host that carries it, which answers that host's own
guests and nobody else.

It gives the addresses that our leases say, by MAC, and no others; so any number of hosts may do so on one wire, all at the
same address, and none needs to know what another gave. What it needs lies under the host's root, `network/BRIDGE_ID`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, ip_address

from nebula.drivers.base import HostHandle
from nebula.drivers.network import nft
from nebula.drivers.network.ip import addresses, batch, routes
from nebula.drivers.network.names import check_device, tag
from nebula.drivers.network.subnet import check_free, known_subnets
from nebula.errors import UsageError
from nebula.model.network import Lease, NetworkSpec
from nebula.transport.scripts import sh

_DOMAIN = "internal"
"""Nobody else's: reserved for names that the world does not know."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", re.ASCII)
_UNNAMED = re.compile(r"[^a-z0-9]+")

_ALIVE = """
alive() {
    pid=$(cat "$1/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    tr '\\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--conf-file=$1/conf "
}
stop() {
    alive "$1" || return 0
    kill "$pid"
    for pause in 0.05 0.1 0.2 0.5 1 1 1; do
        alive "$1" || return 0
        sleep "$pause"
    done
    kill -9 "$pid"
}
"""
_SERVE = f"""{_ALIVE}
umask 022
mkdir -p -- "$1" && cd -- "$1" || exit 1
awk '/^== /{{ file = $2 ".new"; printf "" >file; next }} {{ print >file }}' || exit 1
mv -f leases.new leases && mv -f names.new names || exit 1
if cmp -s conf conf.new && alive "$1"; then
    rm -f conf.new
    kill -HUP "$pid"
else
    stop "$1"
    mv -f conf.new conf && env dnsmasq "--conf-file=$1/conf"
fi
"""
"""Reads files from stdin, each after its name, into the directory $1. A dnsmasq with the same settings rereads the rest."""
_STOP = f'{_ALIVE}\nstop "$1"\nrm -rf -- "$1"\nrmdir -- "${{1%/*}}" 2>/dev/null\ntrue'
_SERVING = f'{_ALIVE}\nfor place in "$1"/*; do alive "$place" && echo "${{place##*/}}"; done\ntrue'


def check(host: HostHandle, network: NetworkSpec) -> None:
    """UsageError or ConflictError if this host cannot answer the network's guests; changes nothing."""
    if not network.owned:
        raise UsageError(
            f"network {network.name} cannot have DHCP of ours on {network.bridge}, which is not ours",
            hint=f"leave out the bridge: nebula network create {network.name} --nat --dhcp",
        )
    subnet = _interface(network).network
    if not network.at_gateway:
        check_free(host, network, subnet, known_subnets(addresses(host), routes(host), network.bridge))


def serve(host: HostHandle, network: NetworkSpec, leases: Sequence[Lease], uplink: str = "") -> None:
    """See Network.serve; the (checked) bridge is there. `uplink`: its port that leads to other hosts, past which no answer and
    no question gets.
    """
    if not network.at_gateway:
        batch(host, [f"address replace {_interface(network)} dev {check_device(network.bridge)}"])
    if uplink:
        nft.load(host, _fence(network, uplink))
    files = {
        "conf": settings(network, _directory(host, network)),
        "leases": "".join(_given(leases)),
        "names": "".join(_named(leases, domain(network))),
    }
    text = "".join(f"== {name}\n{content}" for name, content in files.items())
    host.transport.run(sh(_SERVE, _directory(host, network)), stdin=text.encode("ascii"), root=True)


def stop(host: HostHandle, network: NetworkSpec) -> None:
    """Take away what `serve` made, but for the address. Nothing there: nothing."""
    host.transport.run(sh(_STOP, _directory(host, network)), root=True)
    name = _table(network)
    if nft.chains(host, "bridge", name):
        nft.load(host, f"delete table bridge {name}")


def serving(host: HostHandle) -> list[int]:
    """See Network.serving."""
    found = host.transport.run(sh(_SERVING, f"{host.root}/network"), root=True).text.split()
    return sorted(int(word) for word in found if word.isdecimal())


def domain(network: NetworkSpec) -> str:
    """What names of the network's VMs end with."""
    label = _UNNAMED.sub("-", network.name.lower()).strip("-")[:63].strip("-")
    return f"{label or 'vm'}.{_DOMAIN}"


def settings(network: NetworkSpec, directory: str) -> str:
    """Dnsmasq's settings but for leases and names, which it rereads while it runs."""
    interface, name = _interface(network), domain(network)
    lines = [
        f"# {tag(network)}: written by nebula, which writes it anew",
        f"pid-file={directory}/pid",
        f"interface={check_device(network.bridge)}",
        "except-interface=lo",
        "bind-dynamic",
        "no-hosts",
        f"addn-hosts={directory}/names",
        f"dhcp-hostsfile={directory}/leases",
        f"dhcp-range={interface.network.network_address},static,{interface.netmask},12h",
        "leasefile-ro",
        "dhcp-authoritative",
        f"dhcp-option=option:router{',' + str(ip_address(network.gateway)) if network.gateway else ''}",
        f"dhcp-option=option:dns-server,{interface.ip}",
        *([f"dhcp-option-force=option:mtu,{network.mtu}"] if network.mtu else []),
        f"domain={name}",
        f"local=/{name}/",
        "domain-needed",
        "bogus-priv",
        *(["no-resolv", *(f"server={ip_address(one)}" for one in network.dns)] if network.dns else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def _given(leases: Sequence[Lease]) -> Iterator[str]:
    for lease in leases:
        if lease.ip and _MAC.fullmatch(lease.mac):
            label = f",{lease.name}" if _NAME.fullmatch(lease.name) else ""
            yield f"{lease.mac},{ip_address(lease.ip)}{label}\n"


def _named(leases: Sequence[Lease], suffix: str) -> Iterator[str]:
    for lease in leases:
        if _NAME.fullmatch(lease.name):
            for address in filter(None, (lease.ip, lease.ip6)):
                yield f"{ip_address(address)} {lease.name}.{suffix} {lease.name}\n"


def _fence(network: NetworkSpec, uplink: str) -> str:
    """Every host has the same address on this wire, each for its own guests."""
    port, name, address = check_device(uplink), _table(network), _interface(network).ip
    return f"""\
table bridge {name}
delete table bridge {name}
table bridge {name} {{
    chain forward {{
        type filter hook forward priority -250; policy accept;
        oifname "{port}" arp daddr ip {address} drop
        oifname "{port}" udp dport 67 drop
        iifname "{port}" udp sport 67 drop
    }}
    chain input {{
        type filter hook input priority -250; policy accept;
        iifname "{port}" arp daddr ip {address} drop
        iifname "{port}" arp saddr ip {address} drop
        iifname "{port}" udp dport 67 drop
    }}
    chain output {{
        type filter hook output priority -250; policy accept;
        oifname "{port}" arp saddr ip {address} drop
        oifname "{port}" udp sport 67 drop
    }}
}}"""


def _table(network: NetworkSpec) -> str:
    return f"nebula_dhcp_{network.bridge_id}"


def _interface(network: NetworkSpec) -> IPv4Interface:
    try:
        found = IPv4Interface(f"{network.dhcp}/{network.prefix_length}")
    except ValueError as error:
        raise UsageError(f"network {network.name} has no sound address for DHCP", cause=str(error)) from error
    if not 8 <= network.prefix_length <= 30:
        raise UsageError(f"the prefix length of a network with DHCP is 8 to 30, not {network.prefix_length}")
    return found


def _directory(host: HostHandle, network: NetworkSpec) -> str:
    return f"{host.root}/network/{network.bridge_id}"

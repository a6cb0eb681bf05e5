"""What a look at a host finds for a network; changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from nebula.drivers.base import HostHandle
from nebula.drivers.network import dhcp, forwarding, iptables, moving, nat, nft, owned, port
from nebula.drivers.network.existing import check_existing
from nebula.drivers.network.ip import links, routes
from nebula.drivers.network.subnet import gateway_subnet
from nebula.drivers.network.uplinks import look_at_uplinks
from nebula.errors import ConflictError, UsageError
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec

_BRIDGE_NF = "/proc/sys/net/bridge/bridge-nf-call-iptables"


def look(host: HostHandle, network: NetworkSpec) -> list[Finding]:
    """Findings, errors first; one "ok" if there is nothing to say."""
    missing = tools(host, network)
    if missing:
        return missing
    found = [*_bridge(host, network), *(_nat(host, network) if network.at_gateway else _bridged(host, network))]
    if network.dhcp and not network.at_gateway:
        found += asked("dhcp", lambda: dhcp.check(host, network))
    through = f", through {network.physical_device}" if network.physical_device else ""
    text = f"host {host.name} can carry network {network.name} on {network.bridge}{through}"
    return sorted(found, key=lambda one: one.level != "error") or [Finding(check="network", level="ok", text=text)]


def tools(host: HostHandle, network: NetworkSpec) -> list[Finding]:
    """What programs are missing there."""
    needed = {"ip -V": "iproute2"}
    if network.at_gateway or network.dhcp:
        needed["nft -V"] = "nftables"
    if network.dhcp:
        needed["dnsmasq --version"] = "dnsmasq-base"
    return [
        Finding(check="tools", level="error", text=f"host {host.name} has no {words[0]}", fix=f"apt-get install {package}")
        for words, package in ((line.split(), package) for line, package in needed.items())
        if host.transport.run(["env", *words], root=True, check=False).status != 0
    ]


def _bridge(host: HostHandle, network: NetworkSpec) -> list[Finding]:
    present = links(host)
    if not network.owned:
        missing = asked("bridge", lambda: check_existing(host, network, present))
        return missing or look_at_uplinks(host, network, present)
    found = asked("bridge", lambda: owned.check_name_free(host, network, present))
    if network.physical_device:
        found += asked("port", lambda: port.check_port(host, network, present))
        found += moving.announce(host, network, present) if network.move_addresses and not found else []
    return found


def _nat(host: HostHandle, network: NetworkSpec) -> list[Finding]:
    found = asked("subnet", lambda: nat.check(host, network))
    if not forwarding.uplinks(routes(host)):
        found.append(
            Finding(
                check="uplink", level="warning", text=f"host {host.name} has no default route: its guests reach nothing outside"
            )
        )
    for chain in nft.dropping_forward_chains(host):
        if (chain.family, chain.table, chain.name) != ("ip", "filter", "FORWARD"):
            found.append(_dropping(host, network, chain))
    if network.routed and not found:
        subnet = gateway_subnet(network)
        text = f"the guests on host {host.name} are reached where routers know that {subnet} is behind it"
        found.append(
            Finding(check="route", level="note", text=text, fix=f"ip route add {subnet} via {host.address or host.name}")
        )
    return found


def _dropping(host: HostHandle, network: NetworkSpec, chain: nft.Chain) -> Finding:
    where = f"{chain.family} {chain.table} {chain.name}"
    return Finding(
        check="firewall",
        level="warning",
        text=f"the nftables chain {where} of host {host.name} drops forwarded packets that none of its rules accepts",
        fix=f"nft insert rule {where} iifname {network.bridge} accept; "
        f"nft insert rule {where} oifname {network.bridge} ct state established,related accept",
    )


def _bridged(host: HostHandle, network: NetworkSpec) -> list[Finding]:
    """Where br_netfilter is loaded (docker does), bridged packets pass FORWARD too, which docker and ufw close."""
    through_iptables = host.transport.run(["cat", _BRIDGE_NF], root=True, check=False).text.strip() == "1"
    if not through_iptables or "-P FORWARD DROP" not in iptables.forward_chain(host):
        return []
    return [
        Finding(
            check="firewall",
            level="warning",
            text=f"host {host.name} sends bridged packets through iptables, whose FORWARD chain drops what no rule accepts",
            fix=f"iptables -I FORWARD -i {network.bridge} -j ACCEPT; iptables -I FORWARD -o {network.bridge} -j ACCEPT",
        )
    ]


def asked(check: str, question: Callable[[], None]) -> list[Finding]:
    """What would stop `prepare`, as a finding."""
    try:
        question()
    except (ConflictError, UsageError) as error:
        return [Finding(check=check, level="error", text=str(error), fix=error.hint)]
    return []

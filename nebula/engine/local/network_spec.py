"""What a person says of a new network, checked and completed; a NAT network chooses its own subnet."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from nebula.drivers.registry import NETWORKS, load
from nebula.engine.local.network_segments import (
    SEGMENTS,
    between,
    complete_open_vswitch,
    complete_segment,
    refuse_vlans_of_others,
    vxlan_mode,
)
from nebula.errors import ConflictError, UsageError
from nebula.model.network import OPEN_VSWITCH, NetworkSpec

_BRIDGE_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_NOTHING = (("mtu", 0), ("vlan_id", 0))
"""Settings that say nothing."""
_ROOMY = 32
"""Addresses from which on a routed subnet has a range where nobody says one."""
FALLBACK_DNS = ("9.9.9.9", "1.1.1.1")


def settings_of(spec: Mapping[str, Any], others: Sequence[NetworkSpec]) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    """(settings, ranges) of a network. Raises UsageError."""
    _devices(spec)
    elsewhere = dict(spec.get("physical_device_on") or {})
    driver = str(spec.get("driver") or "bridge")
    ranges = list(spec.get("ranges") or ())
    settings: dict[str, Any] = {
        "nat": bool(spec.get("nat")),
        "routed": bool(spec.get("routed")),
        "gateway": _address(spec.get("gateway"), 4),
        "prefix_length": between(spec, "prefix_length", 24, 1, 32),
        "gateway6": _address(spec.get("gateway6"), 6),
        "prefix_length6": between(spec, "prefix_length6", 64, 1, 128),
        "dns": [_any_address(item) for item in spec.get("dns") or ()],
        "mtu": between(spec, "mtu", 0, 0, 65535),
        "physical_device": str(spec.get("physical_device") or ""),
        **({"physical_device_on": elsewhere} if elsewhere else {}),
    }
    if elsewhere and not settings["physical_device"]:
        raise UsageError("a device of some hosts needs one of all others", hint="--physical-device eth0, too")
    if driver in SEGMENTS:
        complete_segment(spec, settings, driver, others)
    elif driver in OPEN_VSWITCH:
        complete_open_vswitch(spec, settings, driver, others)
    elif driver == "sim":
        settings["vxlan_mode"] = vxlan_mode(spec)
    elif spec.get("vlan_id"):
        raise UsageError(
            f"a network of driver {driver} has no VLAN", hint=f"--driver {' or '.join([*SEGMENTS, *sorted(OPEN_VSWITCH)])}"
        )
    refuse_vlans_of_others(spec, driver)
    if _says(spec, "move_addresses"):
        settings["move_addresses"] = _moving(spec, settings, driver)
    if settings["nat"] or settings["routed"]:
        _complete_gateway(spec, settings, ranges, others)
    settings["dhcp"] = _dhcp(spec, settings)
    return {
        key: value for key, value in settings.items() if value not in ("", [], False) and (key, value) not in _NOTHING
    }, ranges


def _complete_gateway(
    spec: Mapping[str, Any], settings: dict[str, Any], ranges: list[Mapping[str, Any]], others: Sequence[NetworkSpec]
) -> None:
    way = "routed" if settings["routed"] else "nat"
    if settings["nat"] and settings["routed"]:
        raise UsageError("a network is routed with NAT or without", hint="give one of --nat and --routed")
    if spec.get("bridge"):
        raise UsageError(f"a network with --{way} makes its own bridge", hint=f"leave --bridge out, or leave --{way} out")
    if not settings["gateway"] and settings["routed"]:
        raise UsageError(
            "a routed network needs the gateway that its host is to be, in a subnet that your routers send there",
            hint="--gateway 10.0.5.1 --prefix 24, and on the router: ip route add 10.0.5.0/24 via HOST",
        )
    if not settings["gateway"] and not ranges:
        from nebula.drivers.network.subnet import choose_subnet

        taken = [
            ipaddress.IPv4Network(f"{other.gateway}/{other.prefix_length}", strict=False) for other in others if other.gateway
        ]
        subnet = choose_subnet([*taken, *_routes_here()])
        settings["gateway"], settings["prefix_length"] = str(subnet[1]), subnet.prefixlen
        ranges.append({"IP": f"{subnet[10]}-{subnet[-6]}"})
    if not settings["gateway"]:
        raise UsageError("a NAT network with ranges of its own needs its gateway", hint="--gateway 10.0.5.1 --prefix 24")
    settings["dns"] = settings["dns"] or _resolvers()
    network = ipaddress.ip_network(f"{settings['gateway']}/{settings['prefix_length']}", strict=False)
    if settings["routed"] and not ranges and network.num_addresses >= _ROOMY:
        ranges.append({"IP": f"{network[10]}-{network[-6]}"})
    for other in others:
        if other.gateway and network.overlaps(ipaddress.ip_network(f"{other.gateway}/{other.prefix_length}", strict=False)):
            raise ConflictError(f"{network} overlaps network {other.name}", hint="choose another --gateway")
    settings["subnet"] = str(network)


def _moving(spec: Mapping[str, Any], settings: Mapping[str, Any], driver: str) -> bool:
    """True; UsageError where no host's addresses could be moved, or they would be in the way."""
    if not settings["physical_device"] or spec.get("bridge"):
        raise UsageError(
            "addresses are moved from a device of the hosts onto a bridge of ours",
            hint="--physical-device eth0 --move-addresses, without --bridge",
        )
    if driver not in ("sim", "bridge"):
        hint = (
            "leave --move-addresses out: VLANs and tunnels leave them where they are"
            if driver in SEGMENTS
            else "--driver bridge"
        )
        raise UsageError(f"a network of driver {driver} moves no addresses", hint=hint)
    if settings["nat"] or settings["routed"] or spec.get("dhcp"):
        hint = "leave --nat, --routed and --dhcp out: the guests are on the hosts' own wire"
        raise UsageError(
            "a network that has the hosts' own addresses on its bridge has its gateway and DHCP elsewhere", hint=hint
        )
    return True


def _says(spec: Mapping[str, Any], key: str) -> bool:
    from nebula.engine.machines.template import yes

    return yes(spec, key)


def _dhcp(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The address at which hosts answer their guests; "" for none. `dhcp` is that address, or says only that it is wanted."""
    wanted = dhcp_word(spec.get("dhcp"))
    if not wanted:
        return ""
    if spec.get("bridge"):
        raise UsageError(
            "a bridge of the hosts' own gets no DHCP from here", cause="somebody else may give addresses on that wire",
            hint="leave --dhcp out, or leave --bridge out for a bridge of our own",
        )  # fmt: skip
    driver = str(spec.get("driver") or "bridge")
    if not load("network", driver)().capabilities.dhcp:
        raise UsageError(f"a network of driver {driver} gets no DHCP from here", hint="leave --dhcp out")
    address = "" if wanted == "yes" else _address(wanted, 4)
    if settings["nat"] or settings["routed"]:
        if address not in {"", settings["gateway"]}:
            raise UsageError(f"the hosts of such a network answer at its gateway, {settings['gateway']}", hint="--dhcp")
        address = settings["gateway"]
    if not address:
        raise UsageError(
            "DHCP without NAT needs an address of the network that is nobody's, for the hosts to answer at",
            hint="--dhcp-address 10.0.5.2, outside of its ranges",
        )
    if not 8 <= settings["prefix_length"] <= 30:
        raise UsageError(f"a network with DHCP has a prefix of 8 to 30, not {settings['prefix_length']}", hint="--prefix 24")
    return address


def dhcp_word(value: Any) -> str:
    """What somebody says of a network's DHCP: "" for none, "yes", or an address."""
    word = "yes" if value is True else str(value or "").strip().lower()
    return {"no": "", "false": "", "true": "yes"}.get(word, word)


def _routes_here() -> list[ipaddress.IPv4Network]:
    """Networks that this machine is in, so that a chosen one does not hide them."""
    import psutil

    found: list[ipaddress.IPv4Network] = []
    for addresses in psutil.net_if_addrs().values():
        found.extend(
            ipaddress.IPv4Network(f"{item.address}/{item.netmask}", strict=False)
            for item in addresses
            if item.family.name == "AF_INET" and item.netmask
        )
    return found


def _resolvers() -> list[str]:
    """The machine's own DNS servers where a guest can reach them, else public ones."""
    from pathlib import Path

    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        return list(FALLBACK_DNS)
    named = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    usable = [item for item in named if _is_outside(item)]
    return usable[:2] or list(FALLBACK_DNS)


def _is_outside(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def check_device(name: str) -> str:
    """The name itself, also an empty one; UsageError for what no device is called."""
    if name and (len(name) > 15 or not set(name) <= _BRIDGE_SIGNS):
        raise UsageError(f"{name[:40]!r} is no device name", cause="at most 15 letters, digits, _ . -", hint="for example br0")
    return name


def _devices(spec: Mapping[str, Any]) -> None:
    for key in ("bridge", "physical_device"):
        check_device(str(spec.get(key) or ""))
    driver = str(spec.get("driver") or "bridge")
    if driver not in NETWORKS:
        raise UsageError(f"no network driver is called {driver[:40]!r}", hint=f"one of: {', '.join(sorted(NETWORKS))}")


def _address(value: Any, version: int) -> str:
    if not value:
        return ""
    text = _any_address(value)
    if ipaddress.ip_address(text).version != version:
        raise UsageError(f"{text} is not an IPv{version} address", hint="--gateway for IPv4, --gateway6 for IPv6")
    return text


def _any_address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise UsageError(f"{str(value)[:60]!r} is no address", hint="for example 10.0.5.1") from None

"""What a person says of a new network, checked and completed; a NAT network chooses its own subnet."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from nebula.drivers.registry import NETWORKS
from nebula.errors import ConflictError, UsageError
from nebula.model.network import NetworkSpec

_BRIDGE_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
SEGMENTS = {"802.1Q": 4094, "vxlan": (1 << 24) - 1}
"""Drivers of networks with a number, and the highest one."""
_FIRST_ID = 2
_LONGEST_DEVICE = 15
_VXLAN_MTU = 1450
"""What fits into packets of 1500 bytes."""
FALLBACK_DNS = ("9.9.9.9", "1.1.1.1")


def settings_of(spec: Mapping[str, Any], others: Sequence[NetworkSpec]) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    """(settings, ranges) of a network. Raises UsageError."""
    _devices(spec)
    driver = str(spec.get("driver") or "bridge")
    ranges = list(spec.get("ranges") or ())
    settings: dict[str, Any] = {
        "nat": bool(spec.get("nat")),
        "gateway": _address(spec.get("gateway"), 4),
        "prefix_length": _between(spec, "prefix_length", 24, 1, 32),
        "gateway6": _address(spec.get("gateway6"), 6),
        "prefix_length6": _between(spec, "prefix_length6", 64, 1, 128),
        "dns": [_any_address(item) for item in spec.get("dns") or ()],
        "mtu": _between(spec, "mtu", 0, 0, 65535),
        "physical_device": str(spec.get("physical_device") or ""),
    }
    if driver in SEGMENTS:
        _complete_segment(spec, settings, driver, others)
    elif spec.get("vlan_id"):
        raise UsageError(f"a network of driver {driver} has no VLAN", hint=f"--driver {' or '.join(SEGMENTS)}")
    if settings["nat"]:
        _complete_nat(spec, settings, ranges, others)
    return {
        key: value for key, value in settings.items() if value not in ("", [], False) and (key, value) != ("mtu", 0)
    }, ranges


def _complete_segment(spec: Mapping[str, Any], settings: dict[str, Any], driver: str, others: Sequence[NetworkSpec]) -> None:
    """A number of its own where none was chosen, and an MTU that fits."""
    device = settings["physical_device"]
    if spec.get("bridge") or settings["nat"]:
        raise UsageError(f"a network of driver {driver} makes its own bridge, without NAT", hint="leave --bridge and --nat out")
    if not device:
        raise UsageError(f"a network of driver {driver} needs a device of the hosts", hint="--physical-device eth0")
    alike = [other for other in others if other.driver == driver and (driver == "vxlan" or other.physical_device == device)]
    used = {other.vlan_id: other.name for other in alike}
    wanted = _between(spec, "vlan_id", 0, 0, SEGMENTS[driver])
    if wanted in used:
        raise ConflictError(
            f"network {used[wanted]} has the number {wanted} already", hint="leave --vlan-id out for a free one"
        )
    settings["vlan_id"] = wanted or next(number for number in range(_FIRST_ID, SEGMENTS[driver]) if number not in used)
    name = f"{device}.{settings['vlan_id']}"
    if driver == "802.1Q" and len(name) > _LONGEST_DEVICE:
        raise UsageError(
            f"{name} is too long for a device's name", cause=f"at most {_LONGEST_DEVICE} characters", hint="another uplink"
        )
    if driver == "vxlan":
        settings["mtu"] = settings["mtu"] or _VXLAN_MTU


def _complete_nat(
    spec: Mapping[str, Any], settings: dict[str, Any], ranges: list[Mapping[str, Any]], others: Sequence[NetworkSpec]
) -> None:
    if spec.get("bridge"):
        raise UsageError("a NAT network makes its own bridge", hint="leave --bridge out, or leave --nat out")
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
    for other in others:
        if other.gateway and network.overlaps(ipaddress.ip_network(f"{other.gateway}/{other.prefix_length}", strict=False)):
            raise ConflictError(f"{network} overlaps network {other.name}", hint="choose another --gateway")
    settings["subnet"] = str(network)


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


def _devices(spec: Mapping[str, Any]) -> None:
    for key in ("bridge", "physical_device"):
        name = str(spec.get(key) or "")
        if name and (len(name) > 15 or not set(name) <= _BRIDGE_SIGNS):
            raise UsageError(
                f"{name[:40]!r} is no device name", cause="at most 15 letters, digits, _ . -", hint="for example br0"
            )
    driver = str(spec.get("driver") or "bridge")
    if driver not in NETWORKS:
        raise UsageError(f"no network driver is called {driver[:40]!r}", hint=f"one of: {', '.join(sorted(NETWORKS))}")


def _between(spec: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    text = str(spec.get(key) if spec.get(key) not in (None, "") else default)
    if not (text.isascii() and text.isdecimal() and len(text) < 19) or not low <= int(text) <= high:
        raise UsageError(
            f"{key} must be between {low} and {high}", cause=f"got {text[:40]!r}", hint=f"use {default}, for example"
        )
    return int(text)


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

"""The numbers of networks that are a segment of a wire: VLANs and VXLANs, of the kernel's own or of Open vSwitch."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any

from nebula.engine.machines.networks import LAST_VLAN, vlans
from nebula.errors import CapacityError, ConflictError, UsageError
from nebula.model.network import OPEN_VSWITCH, NetworkSpec

SEGMENTS = {"802.1Q": 4094, "vxlan": (1 << 24) - 1}
"""Drivers of networks with a number, and the highest one."""
OPEN_VSWITCH_TUNNELS = "ovswitch_vxlan"
QINQ_TYPES = ("802.1ad", "802.1q")
VXLAN_MODES = ("multicast", "static", "evpn")
_FIRST_ID = 2
_LONGEST_DEVICE = 15
_VXLAN_MTU = 1450
"""What fits into packets of 1500 bytes."""
_TAG_BYTES = 4


def between(spec: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    """The whole number that is said, or the default; UsageError if it is not one between both."""
    text = str(spec.get(key) if spec.get(key) not in (None, "") else default)
    if not (text.isascii() and text.isdecimal() and len(text) < 19) or not low <= int(text) <= high:
        raise UsageError(
            f"{key} must be between {low} and {high}", cause=f"got {text[:40]!r}", hint=f"use {default}, for example"
        )
    return int(text)


def complete_segment(spec: Mapping[str, Any], settings: dict[str, Any], driver: str, others: Sequence[NetworkSpec]) -> None:
    """A number of its own where none was chosen, and an MTU that fits."""
    device = settings["physical_device"]
    if spec.get("bridge") or settings["nat"] or settings["routed"]:
        hint = "leave --bridge, --nat and --routed out"
        raise UsageError(f"a network of driver {driver} makes its own bridge, and has its gateway elsewhere", hint=hint)
    if not device:
        raise UsageError(f"a network of driver {driver} needs a device of the hosts", hint="--physical-device eth0")
    used = {number: name for number, name in map(partial(_number, driver, settings), others) if number}
    wanted = between(spec, "vlan_id", 0, 0, SEGMENTS[driver])
    if wanted in used:
        raise ConflictError(
            f"network {used[wanted]} has the number {wanted} already", hint="leave --vlan-id out for a free one"
        )
    settings["vlan_id"] = wanted or _free(used, SEGMENTS[driver])
    check_lengths(settings, driver)
    if driver == "vxlan":
        settings["mtu"] = settings["mtu"] or _VXLAN_MTU
        settings["vxlan_mode"] = vxlan_mode(spec)


def check_lengths(settings: Mapping[str, Any], driver: str) -> None:
    """UsageError where a VLAN's device would have too long a name on some host."""
    for device in (settings["physical_device"], *settings.get("physical_device_on", {}).values()):
        name = f"{device}.{settings.get('vlan_id', 0)}"
        if driver == "802.1Q" and len(name) > _LONGEST_DEVICE:
            raise UsageError(
                f"{name} is too long for a device's name", cause=f"at most {_LONGEST_DEVICE} characters", hint="another uplink"
            )


def same_device(settings: Mapping[str, Any], other: NetworkSpec) -> bool:
    """Whether both go through the same device on some host, or would on a further one."""
    elsewhere = {int(host): device for host, device in settings.get("physical_device_on", {}).items()}
    hosts = {0, *elsewhere, *dict(other.physical_devices)}
    return any(elsewhere.get(host, settings["physical_device"]) == other.device_at(host) for host in hosts)


def vxlan_mode(spec: Mapping[str, Any]) -> str:
    """How hosts find each other; "" by a multicast group."""
    word = str(spec.get("vxlan_mode") or "multicast").lower()
    if word not in VXLAN_MODES:
        raise UsageError(f"a VXLAN has no mode {word[:40]!r}", hint=f"one of: {', '.join(VXLAN_MODES)}")
    return "" if word == "multicast" else word


def _number(driver: str, settings: Mapping[str, Any], other: NetworkSpec) -> tuple[int, str]:
    """The number of another network that this one cannot have, and that one's name; 0: none."""
    if driver == "vxlan" and other.driver == OPEN_VSWITCH_TUNNELS:
        return other.outer_id, other.name
    taken = other.driver == driver and (driver == "vxlan" or same_device(settings, other))
    return (other.vlan_id if taken else 0), other.name


def complete_open_vswitch(
    spec: Mapping[str, Any], settings: dict[str, Any], driver: str, others: Sequence[NetworkSpec]
) -> None:
    """VLANs of the ports of its cards, and where a tunnel joins the hosts, that one's number."""
    device, bridge = settings["physical_device"], str(spec.get("bridge") or "")
    if settings["nat"] or settings["routed"]:
        hint = "leave --nat and --routed out, or the driver: bridge has both"
        raise UsageError(f"a network of driver {driver} has its gateway elsewhere", hint=hint)
    if bridge and device:
        raise UsageError(f"the bridge {bridge} has ports of its own", hint="leave --physical-device or --bridge out")
    wanted = between(spec, "vlan_id", 0, 0, LAST_VLAN)
    if spec.get("automatic_vlan_id"):
        if wanted:
            raise UsageError("a VLAN is chosen or automatic", hint="give one of --vlan-id and --automatic-vlan-id")
        used = {other.vlan_id for other in others if other.driver == driver and _same_wire(other, bridge, device)}
        wanted = _free(used, LAST_VLAN)
    trunks = vlans(str(spec.get("vlan_tagged_id") or ""))
    if wanted in trunks:
        raise UsageError(f"VLAN {wanted} comes to guests with its tag or without", hint="leave it out of --vlan-tagged-id")
    settings["vlan_id"], settings["vlan_tagged_id"] = wanted, _spans(trunks)
    _complete_customer_vlans(spec, settings)
    if driver == OPEN_VSWITCH_TUNNELS:
        _complete_tunnel(spec, settings, bridge, others)


def _complete_customer_vlans(spec: Mapping[str, Any], settings: dict[str, Any]) -> None:
    """Of QinQ the VLANs within the network's, and the type of the tag around them."""
    inner, kind = vlans(str(spec.get("cvlans") or "")), str(spec.get("qinq_type") or "").lower()
    if kind and not inner:
        raise UsageError("a type of QinQ is said, but no VLANs within", hint="--cvlans 101,110-113, or leave --qinq-type out")
    if not inner:
        return
    if kind not in {"", *QINQ_TYPES}:
        raise UsageError(f"QinQ has no type {kind[:40]!r}", hint=f"one of: {', '.join(QINQ_TYPES)}")
    if not settings["vlan_id"] or settings["vlan_tagged_id"]:
        raise UsageError(
            "VLANs within another one need that one, and no other tags", hint="--vlan-id 50, without --vlan-tagged-id"
        )
    settings["cvlans"], settings["qinq_type"] = _spans(inner), kind or QINQ_TYPES[0]


def _complete_tunnel(spec: Mapping[str, Any], settings: dict[str, Any], bridge: str, others: Sequence[NetworkSpec]) -> None:
    if bridge or not settings["physical_device"]:
        raise UsageError(
            f"a network of driver {OPEN_VSWITCH_TUNNELS} makes its own bridge, and a tunnel through a device of the hosts",
            hint="--physical-device eth0, without --bridge",
        )
    highest = SEGMENTS["vxlan"]
    used = {other.outer_id or other.vlan_id: other.name for other in others if other.driver in (OPEN_VSWITCH_TUNNELS, "vxlan")}
    outer = between(spec, "outer_vlan_id", 0, 0, highest)
    if outer in used:
        raise ConflictError(f"network {used[outer]} has the number {outer} already", hint="leave --outer-vlan-id out")
    settings["outer_vlan_id"] = outer or _free(used, highest)
    settings["vxlan_mode"] = vxlan_mode(spec)
    tags = 2 if settings.get("cvlans") else 1 if settings["vlan_id"] or settings["vlan_tagged_id"] else 0
    settings["mtu"] = settings["mtu"] or _VXLAN_MTU - _TAG_BYTES * tags


def refuse_vlans_of_others(spec: Mapping[str, Any], driver: str) -> None:
    """UsageError for what only Open vSwitch or a VXLAN knows, where the driver is another."""
    if spec.get("vxlan_mode") and driver not in ("vxlan", OPEN_VSWITCH_TUNNELS, "sim"):
        hint = f"leave --vxlan-mode out, or --driver vxlan or {OPEN_VSWITCH_TUNNELS}"
        raise UsageError(f"a network of driver {driver} has no VXLAN", hint=hint)
    for key in ("vlan_tagged_id", "automatic_vlan_id", "outer_vlan_id", "cvlans", "qinq_type"):
        if spec.get(key) and (driver not in OPEN_VSWITCH or (key == "outer_vlan_id" and driver != OPEN_VSWITCH_TUNNELS)):
            option = key.replace("_", "-")
            hint = f"leave --{option} out, or --driver {OPEN_VSWITCH_TUNNELS}"
            raise UsageError(f"a network of driver {driver} has no {option}", hint=hint)


def shared_bridge(others: Sequence[NetworkSpec], driver: str, settings: Mapping[str, Any]) -> str:
    """The bridge of ours that has the device as its uplink already, where a device can have no other; empty: none."""
    device = settings.get("physical_device", "")
    alike = (other for other in others if other.driver == driver == "ovswitch" and other.owned and device)
    found = next((other for other in alike if other.physical_device == device), None)
    if found is None:
        return ""
    elsewhere = {int(host): name for host, name in settings.get("physical_device_on", {}).items()}
    if dict(found.physical_devices) != elsewhere:
        raise ConflictError(
            f"network {found.name} has {device} as its uplink, and other devices than this one on some hosts",
            cause="networks of one uplink share a bridge",
            hint=f"say the same --physical-device-on: nebula network show {found.network_id}",
        )
    return found.bridge


def _same_wire(other: NetworkSpec, bridge: str, device: str) -> bool:
    return other.physical_device == device if device else other.bridge == bridge


def _free(used: Container[int], highest: int) -> int:
    found = next((number for number in range(_FIRST_ID, highest + 1) if number not in used), 0)
    if not found:
        raise CapacityError("every number is taken", hint="nebula network list")
    return found


def _spans(numbers: Sequence[int]) -> str:
    """10,20-22 of their numbers in order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)

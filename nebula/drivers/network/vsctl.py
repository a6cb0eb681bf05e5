"""What Open vSwitch's database says of a host's bridges, and changes told to it, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.errors import CommandError, ConflictError

INSTALL = "apt-get install openvswitch-switch"
_START = "systemctl enable --now openvswitch-switch"
_TOOL = ("env", "ovs-vsctl", "--timeout=20")
_MISSING = 127
_READ = (
    "--format=json", "--", "--columns=name,external_ids,ports,fail_mode,datapath_type", "list", "Bridge",
    "--", "--columns=_uuid,name", "list", "Port",
)  # fmt: skip
_PORTS = (
    "--format=json", "--", "--columns=name,type", "list", "Interface", "--", "--columns=name,tag,trunks", "list", "Port",
)  # fmt: skip
_INNER = frozenset({"internal", "patch"})
"""Ports that lead to another bridge, or to the host itself."""
_MARK = "nebula"
"""The key in a bridge's external ids that says that we made it."""
_ZONE = "nebula-zone"


class Bridge(msgspec.Struct, frozen=True):
    """A bridge of Open vSwitch. `mark`: empty for the host's own; `ports`: names, without the bridge's own port."""

    name: str
    mark: str
    ports: tuple[str, ...]
    secure: bool = False
    """Nothing passes it but by flows that somebody put there."""
    datapath: str = "system"
    """system: in the kernel; netdev: in user space."""
    zone: int = 0
    """Where the connections of a card's own bridge are tracked; 0: nowhere."""


class _Table(msgspec.Struct, frozen=True):
    data: list[list[Any]]


def bridges(host: HostHandle) -> dict[str, Bridge]:
    """All of the host's, by name; ConflictError where there is no Open vSwitch that answers."""
    lines = _run(host, _READ).splitlines()
    try:
        found, ports = (typed.decode(line.encode(), _Table).data for line in lines)
        names = {str(key[1]): str(name) for key, name in ports}
        return {str(row[0]): _bridge(*row, names=names) for row in found}
    except (msgspec.MsgspecError, ValueError, KeyError, IndexError, TypeError) as error:
        raise CommandError(host.name, [*_TOOL, *_READ], 0, f"not understood: {error}", hint="ovs-vsctl --version") from error


def present(host: HostHandle) -> dict[str, Bridge]:
    """The same; none where there is no Open vSwitch that answers."""
    try:
        return bridges(host)
    except ConflictError:
        return {}


def ways(host: HostHandle, bridge: Bridge) -> dict[str, frozenset[int]]:
    """The VLANs that pass each port of the bridge which may lead out of the host; none: all of them do."""
    lines = _run(host, _PORTS).splitlines()
    try:
        kinds, ports = (typed.decode(line.encode(), _Table).data for line in lines)
        inner = {str(name) for name, kind in kinds if kind in _INNER}
        return {str(name): _passing(tag, trunks) for name, tag, trunks in ports if name in {*bridge.ports} - inner}
    except (msgspec.MsgspecError, ValueError, IndexError, TypeError) as error:
        raise CommandError(host.name, [*_TOOL, *_PORTS], 0, f"not understood: {error}", hint="ovs-vsctl --version") from error


def _passing(tag: Any, trunks: Any) -> frozenset[int]:
    """Of a column that is one number, or a set of them."""
    return frozenset(int(number) for value in (tag, trunks) for number in (value[1] if isinstance(value, list) else [value]))


def bridge_of(port: str, found: Mapping[str, Bridge]) -> str:
    """The bridge that has the port; empty: none."""
    return next((bridge.name for bridge in found.values() if port in bridge.ports), "")


def sees_two_tags(host: HostHandle) -> bool:
    """Whether Open vSwitch looks at the second VLAN tag of a packet; as it comes, it looks at the first alone."""
    told = _run(host, ("--if-exists", "get", "Open_vSwitch", ".", "other_config:vlan-limit")).strip().strip('"')
    return told in {"0", "2"}


def mark_words(bridge: str, mark: str) -> list[str]:
    """What marks a bridge as ours, within the transaction that makes it."""
    return ["set", "Bridge", bridge, f"external_ids:{_MARK}={mark}"]


def guard_words(bridge: str, zone: int) -> list[str]:
    """What makes nothing pass the bridge but by flows, with connections tracked in that zone (0: none are)."""
    return ["set", "Bridge", bridge, "fail_mode=secure", *([f"external_ids:{_ZONE}={zone}"] if zone else [])]


def unguard_commands(bridge: str) -> list[list[str]]:
    """The contrary: whatever there is no flow for passes as everywhere."""
    return [["set", "Bridge", bridge, "fail_mode=standalone"], ["remove", "Bridge", bridge, "external_ids", _ZONE]]


def tell(host: HostHandle, *commands: Sequence[str]) -> None:
    """Commands of `ovs-vsctl` in one transaction, which ovs-vswitchd has followed when this returns."""
    _run(host, [word for command in commands for word in ("--", *command)])


def in_user_space(host: HostHandle) -> bool:
    """Whether the kernel has no part of Open vSwitch, so that its bridges can only be in user space."""
    host.transport.run(["env", "modprobe", "-q", "openvswitch"], root=True, check=False)
    told = host.transport.run(["env", "ovs-dpctl", "dump-dps"], root=True, check=False)
    return told.status != 0 and b"does not exist" in told.stderr


def _bridge(name: str, ids: Any, keys: Any, fail_mode: Any, datapath: str, *, names: Mapping[str, str]) -> Bridge:
    said = {str(key): str(value) for key, value in ids[1]}
    listed = keys[1] if keys[0] == "set" else [keys]
    ports = (names[str(key[1])] for key in listed)
    zone = said.get(_ZONE, "")
    return Bridge(
        name=name,
        mark=said.get(_MARK, ""),
        ports=tuple(sorted(port for port in ports if port != name)),
        secure=fail_mode == "secure",
        datapath=datapath or "system",
        zone=int(zone) if zone.isascii() and zone.isdecimal() else 0,
    )


def _run(host: HostHandle, words: Sequence[str]) -> str:
    argv = [*_TOOL, *words]
    done = host.transport.run(argv, root=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    if done.status == _MISSING:
        raise ConflictError(f"host {host.name} has no Open vSwitch", hint=f"on {host.name}: {INSTALL}")
    if "database connection failed" in said:
        raise ConflictError(
            f"Open vSwitch does not run on host {host.name}", cause=said.strip(), hint=f"on {host.name}: {_START}"
        )
    if "Alarm clock" in said:
        raise ConflictError(
            f"ovs-vswitchd of host {host.name} does not do what it is told",
            cause="it did not answer within 20 s",
            hint=f"on {host.name}: systemctl restart openvswitch-switch",
        )
    if done.status or "Error detected while setting up" in said:
        raise CommandError(host.name, argv[1:], done.status, said, hint="less /var/log/openvswitch/ovs-vswitchd.log")
    return done.text

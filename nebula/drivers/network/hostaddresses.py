"""The host's own addresses and routes on a device, and the lines for `ip` that take them to another one.

They are on both devices for a moment, so that nothing else of the host that names them (routes with a source, sockets) loses
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import msgspec

from nebula.drivers.base import HostHandle
from nebula.drivers.network.ip import Address, Link, addresses, route_lines
from nebula.errors import ConflictError
from nebula.transport.scripts import sh

_MINE = frozenset({"", "boot", "static", "kernel"})
"""Who made a route that stays as it is: nobody keeps such ones up."""
_KERNELS = frozenset({"broadcast", "local", "multicast", "anycast"})
_STATES = frozenset({"linkdown", "dead", "pervasive", "offload", "trap", "rt_offload", "rt_trap", "offload_failed"})
_ON_TOP = frozenset({"macvlan", "macvtap", "ipvlan", "ipvtap"})
_KEEPERS = r"""
device=$1
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
for directory in "/sys/class/net/$device/wireless" "/sys/class/net/$device/phy80211"; do
    [ ! -e "$directory" ] || echo wireless
done
for line in /proc/[0-9]*/cmdline; do
    words=$(tr '\0' '\n' 2>/dev/null <"$line") || continue
    program=$(printf '%s\n' "$words" | head -n 1)
    case "${program##*/}" in
    dhclient | dhcpcd | udhcpc | dhcp6c | dhcpcd:*)
        printf '%s\n' "$words" | tail -n +2 | grep -qxF -- "$device" && echo "client ${program##*/}" ;;
    esac
done
nmcli -t -f DEVICE,STATE device 2>/dev/null | grep -qxF -e "$device:connected" -e "$device:connecting" && echo NetworkManager
networkctl list --no-legend --no-pager 2>/dev/null | awk -v device="$device" '
    $2 == device && ($5 == "configured" || $5 == "configuring" || $5 == "pending") { print "systemd-networkd" }'
true
"""
"""Says who would undo what others do to a device, a line each."""
_FREE = {
    "NetworkManager": "nmcli device set {device} managed no",
    "systemd-networkd": "a file /etc/systemd/network/05-{device}.network with [Match] Name={device} and [Link] "
    "Unmanaged=yes, then: networkctl reload",
}


class Own(msgspec.Struct, frozen=True):
    """What the host has of its own on one device. `routes`: as `ip route show` writes them, for any device (`@DEV@`)."""

    device: str
    addresses: tuple[Address, ...] = ()
    routes: tuple[str, ...] = ()

    @property
    def lasting(self) -> list[Address]:
        """Addresses that others know the host by."""
        return [one for one in self.addresses if one.scope == "global"]

    @property
    def ipv6(self) -> bool:
        """Whether an IPv6 address is among them."""
        return any(one.family == "inet6" for one in self.addresses)

    @property
    def gateways(self) -> list[str]:
        """The gateways of default routes, IPv4 first."""
        defaults = (route.split() for route in self.routes if route.split()[0] in {"0.0.0.0/0", "::/0"})
        return sorted((words[words.index("via") + 1] for words in defaults if "via" in words), key=lambda one: ":" in one)

    def on(self, device: str) -> Own:
        """The same, as it is once it was taken to that device."""
        return Own(device, self.addresses, self.routes)

    def __bool__(self) -> bool:
        return bool(self.lasting or self.routes)

    def to(self, target: str) -> list[str]:
        """The lines that take all of it to another device."""
        near_first = sorted(self.routes, key=lambda route: " via " in route)
        return [
            *(f"address replace {_spelled(one, target)} dev {target}" for one in self.addresses),
            *(f"route del {route.replace('@DEV@', self.device)}" for route in reversed(near_first)),
            *(f"route add {route.replace('@DEV@', target)}" for route in near_first),
            *(f"address del {_whole(one)} dev {self.device}" for one in reversed(self.addresses)),
        ]


def own(host: HostHandle, device: str, *, whole: bool = True) -> Own:
    """What is on the device, as it is. Where not all of it could be taken elsewhere: ConflictError if it is to be `whole`."""
    found = addresses(host).get(device, [])
    routes = [route for family in (4, 6) for route in _routes(host, device, family, found, whole=whole)]
    return Own(device, tuple(found), tuple(routes))


def check_movable(host: HostHandle, carried: Own, link: Link, present: Mapping[str, Link]) -> None:
    """ConflictError if somebody on the host keeps the addresses up, or the device cannot be a port."""
    device, where = link.ifname, f"the addresses of {link.ifname} on host {host.name} cannot be moved onto a bridge"
    if link.link_type != "ether" or link.kind in {"bridge", *_ON_TOP}:
        raise ConflictError(
            where, cause=f"{device} cannot be a bridge's port", hint=f"ssh {host.name} ip -d link show {device}"
        )
    above = [
        one for one in present.values() if device in {one.linkinfo.info_data.link, one.link if one.kind in _ON_TOP else ""}
    ]
    if above:
        raise ConflictError(
            where, cause=f"{above[0].ifname} ({above[0].kind}) goes through {device}", hint=f"ip link delete {above[0].ifname}"
        )
    leased = next((one for one in carried.addresses if one.dynamic), None)
    if leased is not None:
        raise ConflictError(
            where,
            cause=f"{leased.local}/{leased.prefixlen} is for a time only: DHCP or router advertisements renew it there",
            hint=f"give {device} a static address in the host's own network configuration, or have that make a bridge",
        )
    for said in host.transport.run(sh(_KEEPERS, device), root=True).text.splitlines():
        word = said.split()[0]
        if word == "wireless":
            raise ConflictError(where, cause=f"{device} is wireless, and access points take no bridges", hint="use NAT: --nat")
        if word == "client":
            raise ConflictError(
                where,
                cause=f"{said.split()[1]} runs for {device}",
                hint=f"give {device} a static address, and end that program",
            )
        raise ConflictError(
            where, cause=f"{word} manages {device}", hint=f"on {host.name}: {_FREE[word].format(device=device)}"
        )


def _routes(host: HostHandle, device: str, family: int, found: list[Address], *, whole: bool) -> Iterator[str]:
    everything = "0.0.0.0/0" if family == 4 else "::/0"
    for line in route_lines(host, family):
        words = [word for word in line.split() if word not in _STATES]
        if words[:1] == ["unicast"]:
            words = words[1:]
        if device not in _after(words, "dev") or words[0] in _KERNELS:
            continue
        maker = next(iter(_after(words, "proto")), "")
        if maker == "kernel" and not any(one.noprefixroute for one in found):
            continue
        if not whole:
            yield line
            continue
        if "nexthop" in words or "nhid" in words or "expires" in words or maker not in _MINE:
            raise ConflictError(
                f"a route of host {host.name} through {device} cannot be moved to another device",
                cause=f"{line.strip()[:120]}: it is kept by another program, or has several ways",
                hint="make a bridge in the host's own network configuration, then use it: --bridge br0",
            )
        words[0] = everything if words[0] == "default" else words[0]
        words[words.index("dev") + 1] = "@DEV@"
        yield " ".join(words)


def _after(words: list[str], name: str) -> list[str]:
    return [following for word, following in pairwise(words) if word == name]


def _whole(one: Address) -> str:
    return f"{one.local} peer {one.peer}/{one.prefixlen}" if one.peer else f"{one.local}/{one.prefixlen}"


def _spelled(one: Address, target: str) -> str:
    """An address as `ip address replace` is told of it."""
    label = f"{target}:{one.label.partition(':')[2]}" if ":" in one.label else ""
    words = [
        _whole(one),
        f"broadcast {one.broadcast}" if one.broadcast else "",
        f"label {label}" if label and len(label) <= 15 else "",
        f"metric {one.metric}" if one.metric else "",
        f"scope {one.scope}" if one.family == "inet" and one.scope != "global" else "",
        "nodad" if one.family == "inet6" else "",
        "noprefixroute" if one.noprefixroute else "",
        "preferred_lft 0" if one.deprecated else "",
    ]
    return " ".join(filter(None, words))

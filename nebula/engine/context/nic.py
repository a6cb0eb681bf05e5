"""What the guest is told of one of its cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import msgspec

from nebula.errors import UsageError


class NicContext(msgspec.Struct, frozen=True, kw_only=True):
    """One card, or an alias of it, its lease and its network's settings; what is empty or 0 is left out of the context.

    `routes` as OpenNebula writes them: `10.1.0.0/16 via 10.0.0.254, 10.2.0.0/16 via 10.0.0.253`. `method` and
    `ip6_method`: static, dhcp, skip; and auto, disable for IPv6.
    """

    nic_id: int
    mac: str
    ip: str = ""
    prefix_length: int = 24
    gateway: str = ""
    dns: tuple[str, ...] = ()
    search_domain: str = ""
    mtu: int = 0
    metric: int = 0
    method: str = ""
    routes: str = ""
    ip6: str = ""
    ip6_ula: str = ""
    ip6_prefix_length: int = 64
    ip6_gateway: str = ""
    ip6_metric: int = 0
    ip6_method: str = ""
    vlan_id: int = 0
    external: bool = False
    """Others lead the address to the card: the guest leaves it alone."""
    alias_id: int = -1
    """Of an alias of the card `nic_id` its number; -1: the card itself."""

    @property
    def device(self) -> str:
        """What the names of its variables begin with."""
        return f"ETH{self.nic_id}" + (f"_ALIAS{self.alias_id}" if self.alias_id >= 0 else "")


_ROUTE = re.compile(r"(\S+) via (\S+)(?: dev [A-Za-z0-9_.-]{1,15}(?: metric [0-9]{1,9})?)?")
"""One-context reads by place, and wants the device for NetworkManager."""
METHODS = ("static", "dhcp", "skip")
METHODS6 = (*METHODS, "auto", "disable")


def nic_variables(nic: NicContext) -> dict[str, str]:
    """The `ETHn_…` or `ETHn_ALIASm_…` variables; UsageError for what a guest would stumble over."""
    _check(nic)
    values: dict[str, str | int] = {
        "MAC": nic.mac,
        "MTU": nic.mtu,
        "DNS": " ".join(nic.dns),
        "SEARCH_DOMAIN": nic.search_domain,
        "METHOD": nic.method,
        "IP6_METHOD": nic.ip6_method,
        "VLAN_ID": nic.vlan_id,
        "ROUTES": ", ".join(_routes(nic)),
        "EXTERNAL": "YES" if nic.external else "",
        **_ip4(nic),
        **_ip6(nic),
    }
    return {f"{nic.device}_{name}": str(value) for name, value in values.items() if value}


def _check(nic: NicContext) -> None:
    for name, value, known in (("METHOD", nic.method, METHODS), ("IP6_METHOD", nic.ip6_method, METHODS6)):
        if value and value not in known:
            raise UsageError(
                f"{name} of card {nic.nic_id} is none", cause=f"got {value[:40]!r}", hint=f"one of: {', '.join(known)}"
            )
    for address in filter(None, (nic.gateway, nic.ip6_gateway, nic.ip6_ula, *nic.dns)):
        _legal(nic, "the address", address, _address)
    for route in _routes(nic):
        found = _ROUTE.fullmatch(route)
        if found is None:
            raise UsageError(
                f"ROUTES of card {nic.nic_id} cannot be understood",
                cause=f"got {route[:60]!r}",
                hint="10.1.0.0/16 via 10.0.0.254, 10.2.0.0/16 via 10.0.0.253",
            )
        _legal(nic, "a route to", found[1], ip_network)
        _legal(nic, "a route through", found[2], ip_address)


_address = lru_cache(maxsize=256)(ip_address)
"""Cards of a network have their gateway and resolvers in common."""


@lru_cache(maxsize=64)
def _mask(prefix_length: int) -> IPv4Address:
    return IPv4Network((0, prefix_length)).netmask


def _routes(nic: NicContext) -> list[str]:
    return [" ".join(part.split()) for part in nic.routes.split(",") if part.strip()]


def _legal(nic: NicContext, what: str, text: str, parse: Callable[[str], object]) -> None:
    try:
        parse(text)
    except ValueError as error:
        raise UsageError(
            f"card {nic.nic_id} cannot have {what} {text[:60]}",
            cause=str(error),
            hint="nebula network show NETWORK has what its cards inherit",
        ) from error


def _ip4(nic: NicContext) -> Mapping[str, str | int]:
    if not nic.ip:
        return {}
    try:
        address, mask = IPv4Address(nic.ip), _mask(nic.prefix_length)
    except ValueError as error:
        raise UsageError(
            f"card {nic.nic_id} cannot have the address {nic.ip}/{nic.prefix_length}",
            cause=str(error),
            hint="nebula network show NETWORK names its prefix length and ranges",
        ) from error
    return {
        "IP": nic.ip,
        "MASK": str(mask),
        "NETWORK": str(IPv4Address(int(address) & int(mask))),
        "GATEWAY": nic.gateway,
        "METRIC": nic.metric,
    }


def _ip6(nic: NicContext) -> Mapping[str, str | int]:
    if not (nic.ip6 or nic.ip6_ula):
        return {}
    return {
        "IP6": nic.ip6,
        "IP6_ULA": nic.ip6_ula,
        "IP6_PREFIX_LENGTH": nic.ip6_prefix_length,
        "IP6_GATEWAY": nic.ip6_gateway,
        "IP6_METRIC": nic.ip6_metric,
    }

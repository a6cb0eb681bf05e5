"""Whether a range is sound, and says so before anybody leases from it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, IPv6Network

from nebula.engine.addresses.mac import parse_mac
from nebula.engine.addresses.types import MAX_SIZE, AddressRange
from nebula.errors import UsageError

_LAST_MAC = (1 << 48) - 1


def check_range(ar: AddressRange) -> AddressRange:
    """The range itself; UsageError says what is wrong with it."""
    if not 1 <= ar.size <= MAX_SIZE:
        raise UsageError(f"an address range has 1 to {MAX_SIZE} addresses, not {ar.size}", hint="split it into several ranges")
    _check_mac(ar)
    _check_ip4(ar)
    _check_static_ip6(ar)
    _check_slaac(ar)
    return ar


def check_subnet(ar: AddressRange, gateway: str, prefix_length: int) -> AddressRange:
    """The range itself; UsageError if its IPv4 addresses do not all lie in the gateway's subnet."""
    if not gateway or not ar.ip:
        return ar
    if not 1 <= prefix_length <= 32:
        raise UsageError(f"an IPv4 prefix length is 1 to 32, not {prefix_length}", hint="24 is usual")
    _ip4(gateway)
    subnet = IPv4Interface(f"{gateway}/{prefix_length}").network
    first = IPv4Address(ar.ip)
    for address in (first, first + (ar.size - 1)):
        if address not in subnet:
            raise UsageError(
                f"{address} of the range {ar.ip}+{ar.size} is outside the network {subnet}",
                cause=f"the gateway is {gateway}/{prefix_length}",
                hint="make the range smaller, or give the network's own --gateway and --prefix",
            )
    return ar


def _check_mac(ar: AddressRange) -> None:
    first = parse_mac(ar.mac)
    last = first + ar.size - 1
    if first >> 40 & 1:
        raise UsageError(f"{ar.mac} is a multicast MAC address", hint="use one that begins with 02:")
    if last > _LAST_MAC or first >> 40 != last >> 40:
        raise UsageError(
            f"{ar.size} MAC addresses from {ar.mac} on run over the first octet", hint="begin lower, or make it smaller"
        )


def _check_ip4(ar: AddressRange) -> None:
    if bool(ar.ip) != ar.type.has_ip4:
        raise UsageError(
            f"a range of type {ar.type} {'needs' if ar.type.has_ip4 else 'has no'} IP", hint="give IP, or another TYPE"
        )
    if not ar.ip:
        return
    first = _ip4(ar.ip)
    if int(first) + ar.size - 1 > int(IPv4Address("255.255.255.255")):
        raise UsageError(
            f"{ar.size} addresses from {ar.ip} on run over 255.255.255.255", hint="begin lower, or make it smaller"
        )
    last = first + (ar.size - 1)
    for address in (first, last):
        if address.is_multicast or address.is_loopback or address.is_unspecified or int(address) >> 28 == 0xF:
            raise UsageError(f"{address} is no address that a guest can have", hint="use a private range such as 10.0.0.10+100")
    if not (last < _LOOPBACK_FIRST or first > _LOOPBACK_LAST):
        raise UsageError(f"the range {ar.ip}+{ar.size} contains 127.0.0.0/8", hint="split it into two ranges")


_LOOPBACK_FIRST = IPv4Address("127.0.0.0")
_LOOPBACK_LAST = IPv4Address("127.255.255.255")


def _check_static_ip6(ar: AddressRange) -> None:
    if bool(ar.ip6) != ar.type.has_static_ip6:
        needs = "needs" if ar.type.has_static_ip6 else "has no"
        raise UsageError(f"a range of type {ar.type} {needs} IP6", hint="give IP6 and PREFIX_LENGTH, or another TYPE")
    if not ar.ip6:
        return
    first = _ip6(ar.ip6)
    if not 1 <= ar.prefix_length6 <= 128:
        raise UsageError(f"PREFIX_LENGTH is 1 to 128, not {ar.prefix_length6}", hint="PREFIX_LENGTH=64 is usual")
    subnet = IPv6Interface(f"{first}/{ar.prefix_length6}").network
    if int(first) + ar.size - 1 > int(subnet.broadcast_address):
        raise UsageError(f"{ar.size} addresses from {first} on run over {subnet}", hint="begin lower, or make it smaller")
    if first.is_multicast or first.is_loopback or first.is_unspecified or first.is_link_local:
        raise UsageError(f"{first} is no address that a guest can be given", hint="use a prefix of yours, or one from fd00::/8")


def _check_slaac(ar: AddressRange) -> None:
    prefixes = [prefix for prefix in (ar.global_prefix, ar.ula_prefix) if prefix]
    if bool(prefixes) != ar.type.is_slaac:
        needs = "needs" if ar.type.is_slaac else "has no"
        raise UsageError(f"a range of type {ar.type} {needs} GLOBAL_PREFIX or ULA_PREFIX", hint="GLOBAL_PREFIX=2001:db8:1:2::")
    for prefix in prefixes:
        if int(_ip6(prefix)) & ((1 << 64) - 1):
            raise UsageError(f"{prefix} is not a /64 prefix: its last 64 bits are not zero", hint="write it as 2001:db8:1:2::")
        if _ip6(prefix).is_multicast:
            raise UsageError(f"{prefix} is a multicast prefix", hint="write one of yours: 2001:db8:1:2::")
    if ar.ula_prefix and _ip6(ar.ula_prefix) not in IPv6Network("fc00::/7"):
        raise UsageError(f"{ar.ula_prefix} is not a unique local prefix", hint="ULA_PREFIX begins with fd: fd12:3456:789a:1::")


def _ip4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not an IPv4 address", cause=str(error), hint="write it as 10.0.0.10") from error


def _ip6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not an IPv6 address", cause=str(error), hint="write it as fd12:3456:789a:1::10"
        ) from error
    if address.scope_id is not None:
        raise UsageError(f"{text!r} names an interface", hint="leave out what stands behind the percent sign")
    return address

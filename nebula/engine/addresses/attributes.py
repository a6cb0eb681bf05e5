"""A range as people and OpenNebula's clients write it: TYPE, SIZE, IP, MAC and so on."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address

from nebula.engine.addresses.check import check_range
from nebula.engine.addresses.mac import default_mac, format_mac, parse_mac
from nebula.engine.addresses.parse import address, parse_span
from nebula.engine.addresses.types import AddressRange, RangeType
from nebula.errors import UsageError

DEFAULT_SIZE = 254
_KNOWN = ("TYPE", "SIZE", "IP", "IP6", "MAC", "PREFIX_LENGTH", "GLOBAL_PREFIX", "ULA_PREFIX")


def from_attributes(attributes: Mapping[str, object], range_id: int) -> AddressRange:
    """The range that AR attributes describe, whole and checked.

    IP may be a span (`10.0.0.10-10.0.0.50`, `10.0.0.10+100`, `10.0.0.0/24`), which then gives SIZE; TYPE is guessed from
    what is given; a missing MAC is 02:00 and the IPv4 bytes, else made of `range_id`. Attributes that describe the
    network and not the range (BRIDGE, GATEWAY …) are the caller's. Raises UsageError.
    """
    given = {key.upper(): str(value).strip() for key, value in attributes.items() if key.upper() in _KNOWN}
    ip, size = _span(given)
    kind = _type(given)
    return check_range(
        AddressRange(
            type=kind,
            size=size,
            mac=format_mac(parse_mac(given["MAC"])) if given.get("MAC") else default_mac(ip, range_id),
            ip=ip,
            ip6=_ip6(given.get("IP6", "")),
            prefix_length6=_number(given, "PREFIX_LENGTH", 64) if kind.has_static_ip6 else 64,
            global_prefix=_ip6(given.get("GLOBAL_PREFIX", "").removesuffix("/64")),
            ula_prefix=_ip6(given.get("ULA_PREFIX", "").removesuffix("/64")),
        )
    )


def to_attributes(ar: AddressRange) -> dict[str, str]:
    """The range as AR attributes; `from_attributes` of them gives the same range."""
    values = {
        "TYPE": ar.type.value,
        "SIZE": str(ar.size),
        "IP": ar.ip,
        "MAC": ar.mac,
        "IP6": ar.ip6,
        "PREFIX_LENGTH": str(ar.prefix_length6) if ar.type.has_static_ip6 else "",
        "GLOBAL_PREFIX": ar.global_prefix,
        "ULA_PREFIX": ar.ula_prefix,
    }
    return {key: value for key, value in values.items() if value}


def _span(given: Mapping[str, str]) -> tuple[str, int]:
    size = _number(given, "SIZE", DEFAULT_SIZE)
    text = given.get("IP", "")
    if not text:
        return "", size
    span = parse_span(text)
    if span.version != 4:
        raise UsageError(f"IP={text} is not IPv4", hint="IPv6 addresses go into IP6, GLOBAL_PREFIX or ULA_PREFIX")
    spelled = any(sign in text for sign in "-+/")
    if spelled and given.get("SIZE") and size != span.size:
        raise UsageError(f"IP={text} has {span.size} addresses but SIZE={size}", hint="give one of the two")
    return span.first, span.size if spelled else size


def _type(given: Mapping[str, str]) -> RangeType:
    asked = given.get("TYPE", "").upper()
    if asked:
        if asked not in RangeType.__members__:
            raise UsageError(f"{asked!r} is no type of address range", hint=f"use one of: {', '.join(RangeType)}")
        return RangeType(asked)
    slaac = given.get("GLOBAL_PREFIX") or given.get("ULA_PREFIX")
    by_what = {
        (True, "static"): RangeType.IP4_6_STATIC,
        (True, "slaac"): RangeType.IP4_6,
        (True, ""): RangeType.IP4,
        (False, "static"): RangeType.IP6_STATIC,
        (False, "slaac"): RangeType.IP6,
        (False, ""): RangeType.ETHER,
    }
    return by_what[bool(given.get("IP")), "static" if given.get("IP6") else "slaac" if slaac else ""]


def _number(given: Mapping[str, str], key: str, default: int) -> int:
    text = given.get(key, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UsageError(f"{key}={text} is not a number", hint=f"{key}=100")
    return int(text)


def _ip6(text: str) -> str:
    if not text:
        return ""
    parsed = address(text)
    if not isinstance(parsed, IPv6Address):
        raise UsageError(f"{text} is not an IPv6 address", hint="IPv4 addresses go into IP")
    return str(parsed)

"""From a position to its addresses, and back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from nebula.engine.addresses.mac import format_mac, interface_identifier, mac_of_identifier, parse_mac
from nebula.engine.addresses.parse import address
from nebula.engine.addresses.types import AddressRange, Lease
from nebula.errors import UsageError

_HOST_PART = (1 << 64) - 1
_MAC_COLONS = 5
_MAC_LENGTH = 17


def address_at(ar: AddressRange, index: int) -> Lease:
    """The addresses at position `index` (from 0); UsageError outside the range."""
    if not 0 <= index < ar.size:
        raise UsageError(f"position {index} is outside a range of {ar.size} addresses", hint="positions count from 0")
    mac = parse_mac(ar.mac) + index
    return Lease(
        mac=format_mac(mac),
        ip=str(IPv4Address(ar.ip) + index) if ar.ip else "",
        ip6=str(IPv6Address(ar.ip6) + index) if ar.ip6 else _slaac(ar.global_prefix, mac),
        ip6_ula=_slaac(ar.ula_prefix, mac),
    )


def index_of(ar: AddressRange, text: str) -> int | None:
    """The position that has this IPv4, IPv6 or MAC address; None if none has. UsageError if it is no address."""
    position = _position(ar, text.strip())
    return position if position is not None and 0 <= position < ar.size else None


def _position(ar: AddressRange, text: str) -> int | None:
    if text.count(":") == _MAC_COLONS and len(text) == _MAC_LENGTH and "::" not in text:
        return parse_mac(text) - parse_mac(ar.mac)
    found = address(text)
    if isinstance(found, IPv4Address):
        return int(found) - int(IPv4Address(ar.ip)) if ar.ip else None
    if ar.ip6:
        return int(found) - int(IPv6Address(ar.ip6))
    return _slaac_position(ar, found)


def _slaac(prefix: str, mac: int) -> str:
    return str(IPv6Address(int(IPv6Address(prefix)) | interface_identifier(mac))) if prefix else ""


def _slaac_position(ar: AddressRange, found: IPv6Address) -> int | None:
    prefixes = {int(IPv6Address(prefix)) for prefix in (ar.global_prefix, ar.ula_prefix) if prefix}
    if int(found) & ~_HOST_PART not in prefixes:
        return None
    mac = mac_of_identifier(int(found) & _HOST_PART)
    return None if mac is None else mac - parse_mac(ar.mac)

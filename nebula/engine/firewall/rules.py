"""Rules of security groups as people and OpenNebula's templates say them, checked and in one form.

A stored rule has PROTOCOL and RULE_TYPE, and of RANGE, ICMP_TYPE, IP, NETWORK_ID, SECURITY_GROUP_ID what it needs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nebula.errors import UsageError
from nebula.model.firewall import PROTOCOLS, FilterRule

Rule = dict[str, str]
Names = Callable[[str], int]
"""From a name or an id to the id of what exists; NotFoundError, DeniedError."""
MAX_RULES = 500
_KEYS = frozenset(
    {"PROTOCOL", "RULE_TYPE", "RANGE", "ICMP_TYPE", "ICMPV6_TYPE", "IP", "SIZE", "NETWORK", "NETWORK_ID", "SECURITY_GROUP"}
    | {"SECURITY_GROUP_ID"}
)
_PEERS = ("IP", "NETWORK_ID", "SECURITY_GROUP_ID")
_IGNORED = frozenset({"SECURITY_GROUP_NAME", "NAME"})
_LARGEST_SIZE = 1 << 24


def regular_rules(given: Any, networks: Names, groups: Names) -> list[Rule]:
    """The rules, each once. UsageError for what makes no sense."""
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, (list, tuple)) or not all(isinstance(item, Mapping) for item in given):
        raise UsageError("RULE must be a list of groups of values", hint="RULE = [ PROTOCOL = TCP, RULE_TYPE = inbound ]")
    found = [_regular(number, item, networks, groups) for number, item in enumerate(given)]
    unique = [rule for number, rule in enumerate(found) if rule not in found[:number]]
    if len(unique) > MAX_RULES:
        raise UsageError(f"a security group has at most {MAX_RULES} rules", cause=f"got {len(unique)}")
    return unique


def _regular(number: int, item: Mapping[str, Any], networks: Names, groups: Names) -> Rule:
    said = {str(key).upper(): str(value).strip() for key, value in item.items() if value not in (None, "")}
    said = {key: value for key, value in said.items() if key not in _IGNORED}
    unknown = set(said) - _KEYS
    if unknown:
        raise _refuse(number, f"it has no {min(unknown)[:40]}", f"one of: {', '.join(sorted(_KEYS))}")
    protocol, way = said.get("PROTOCOL", "").upper(), said.get("RULE_TYPE", "").lower()
    if protocol.lower() not in PROTOCOLS:
        raise _refuse(number, f"PROTOCOL is {protocol[:40]!r}", f"one of: {', '.join(PROTOCOLS).upper()}")
    if way not in {"inbound", "outbound"}:
        raise _refuse(number, f"RULE_TYPE is {way[:40]!r}", "inbound or outbound")
    rule = {"PROTOCOL": protocol, "RULE_TYPE": way, **_ports(number, protocol, said), **_types(number, protocol, said)}
    if "NETWORK" in said or "NETWORK_ID" in said:
        rule["NETWORK_ID"] = str(networks(said.get("NETWORK_ID") or said["NETWORK"]))
    if "SECURITY_GROUP" in said or "SECURITY_GROUP_ID" in said:
        rule["SECURITY_GROUP_ID"] = str(groups(said.get("SECURITY_GROUP_ID") or said["SECURITY_GROUP"]))
    rule |= _addresses(number, said)
    if sum(key in rule for key in _PEERS) > 1:
        raise _refuse(number, "it names more than one peer", "one of IP, NETWORK_ID, SECURITY_GROUP_ID a rule")
    return rule


def _ports(number: int, protocol: str, said: Mapping[str, str]) -> Rule:
    if "RANGE" not in said:
        return {}
    if protocol not in {"TCP", "UDP"}:
        raise _refuse(number, f"{protocol} has no ports", "RANGE goes with TCP and UDP")
    return {"RANGE": ",".join(str(a) if a == b else f"{a}:{b}" for a, b in _merged(_pairs(number, said["RANGE"])))}


def _pairs(number: int, text: str) -> Iterable[tuple[int, int]]:
    for word in text.split(","):
        first, _, last = word.strip().replace("-", ":").partition(":")
        both = first.strip(), (last or first).strip()
        if not all(part.isascii() and part.isdecimal() and len(part) < 6 and int(part) < 65536 for part in both):
            raise _refuse(number, f"RANGE has {word[:40]!r}", "ports like 22,80:90")
        if int(both[0]) > int(both[1]):
            raise _refuse(number, f"RANGE has {word[:40]!r}", "the lower port first")
        yield int(both[0]), int(both[1])


def _merged(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _types(number: int, protocol: str, said: Mapping[str, str]) -> Rule:
    text = said.get("ICMP_TYPE") or said.get("ICMPV6_TYPE")
    if text is None:
        return {}
    if not protocol.startswith("ICMP"):
        raise _refuse(number, f"{protocol} has no types", "ICMP_TYPE goes with ICMP and ICMPV6")
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < 256):
        raise _refuse(number, f"ICMP_TYPE is {text[:40]!r}", "0 to 255, 8 is a ping")
    return {"ICMP_TYPE": str(int(text))}


def _addresses(number: int, said: Mapping[str, str]) -> Rule:
    """A network, a range, or a first address and how many: in CIDR form, separated by commas."""
    text = said.get("IP", "")
    if not text:
        if "SIZE" in said:
            raise _refuse(number, "SIZE without IP", "IP is the first of SIZE addresses")
        return {}
    try:
        nets = [net for word in text.split(",") for net in _networks(word.strip(), said.get("SIZE", ""))]
    except ValueError as error:
        raise _refuse(number, f"IP is {text[:60]!r}: {error}", "10.0.0.0/8, or 10.0.0.1 with SIZE = 100") from error
    return {"IP": ",".join(collapsed(nets))}


def _networks(text: str, size: str) -> Iterable[str]:
    if "/" in text:
        return [str(ipaddress.ip_network(text, strict=False))]
    first, _, end = text.partition("-")
    low: Any = ipaddress.ip_address(first.strip())
    if end:
        high: Any = ipaddress.ip_address(end.strip())
    else:
        count = int(size or 1)
        if not 1 <= count <= _LARGEST_SIZE:
            raise ValueError(f"SIZE must be between 1 and {_LARGEST_SIZE}")
        high = low + (count - 1)
    return [str(net) for net in ipaddress.summarize_address_range(low, high)]


def collapsed(nets: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few networks as can be, IPv4 first, in order."""
    fours: set[ipaddress.IPv4Network] = set()
    sixes: set[ipaddress.IPv6Network] = set()
    for text in nets:
        net = ipaddress.ip_network(text)
        if isinstance(net, ipaddress.IPv4Network):
            fours.add(net)
        else:
            sixes.add(net)
    return tuple(str(net) for net in (*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)))


def filter_rule(rule: Rule, peers: tuple[str, ...] | None) -> FilterRule:
    """The rule as drivers are told of it. `peers`: the addresses that it names."""
    pairs = [word.partition(":") for word in rule.get("RANGE", "").split(",") if word]
    everybody = peers is not None and {"0.0.0.0/0", "::/0"} <= set(peers)
    return FilterRule(
        inbound=rule["RULE_TYPE"] == "inbound",
        protocol=rule["PROTOCOL"].lower(),
        ports=tuple((int(first), int(last or first)) for first, _, last in pairs),
        icmp_type=int(rule.get("ICMP_TYPE", -1)),
        peers=None if everybody else peers,
    )


def _refuse(number: int, cause: str, hint: str) -> UsageError:
    return UsageError(f"rule {number} of the security group makes no sense", cause=cause, hint=hint)

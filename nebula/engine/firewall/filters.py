"""From groups to what drivers are told of a card."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from nebula.engine.addresses import address_at
from nebula.engine.firewall.groups import aliases_of, leases_with, of_card, of_network, rules_of
from nebula.engine.firewall.rules import Rule, collapsed, filter_rule
from nebula.engine.leases import range_of, second_ip6
from nebula.engine.store.rows import AddressRangeRow, LeaseRow, NetworkRow, SecurityGroupRow
from nebula.engine.store.transaction import Queries
from nebula.model.firewall import CardFilter, FilterRule

_YES = frozenset({"YES", "TRUE", "1"})
_NO = frozenset({"NO", "FALSE", "0"})


def asks_for_filters(network: NetworkRow) -> bool:
    """Whether all cards of the network have some."""
    said: Mapping[str, object] = network.body.get("attributes") or {}
    spoofing = (str(said.get(f"FILTER_{what}_SPOOFING", "")).strip().upper() for what in ("MAC", "IP"))
    return bool(of_network(network)) or any(value in _YES for value in spoofing)


class Filters:
    """Filters as the database says now; what rules name is looked up once."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._peers: dict[tuple[str, str], tuple[str, ...]] = {}

    def of_vm(self, vm_id: int) -> dict[int, CardFilter | None]:
        """Of each card of a VM, by its number."""
        found = self._queries.select(LeaseRow, '"vm_id"=?', (vm_id,))
        cards = [lease for lease in found if lease.parent_id < 0]
        networks = {row.network_id: self._queries.get(NetworkRow, row.network_id) for row in cards}
        return {card.nic_id: self._of_card(card, networks[card.network_id], self._further(card, found)) for card in cards}

    def _further(self, card: LeaseRow, leases: Iterable[LeaseRow]) -> tuple[str, ...]:
        """What its guest sends from beside the addresses that drivers know of it."""
        second = second_ip6(self._queries, card)
        aliases = self._texts(lease for lease in leases if lease.parent_id == card.nic_id)
        return (second, *aliases) if second else tuple(aliases)

    def _of_card(self, lease: LeaseRow, network: NetworkRow, further: tuple[str, ...]) -> CardFilter | None:
        """None for a card without groups, on a network that asks for nothing either. `further`: see `_further`."""
        said: Mapping[str, object] = network.body.get("attributes") or {}
        groups = of_card(lease, network)
        mac, ips = (str(said.get(f"FILTER_{what}_SPOOFING", "")).strip().upper() for what in ("MAC", "IP"))
        if not groups:
            if mac not in _YES and ips not in _YES:
                return None
            return CardFilter(own_mac=mac in _YES, own_ips=ips in _YES, further=further)
        return CardFilter(own_mac=mac not in _NO, own_ips=ips not in _NO, further=further, rules=self._rules(groups))

    def _rules(self, groups: Iterable[int]) -> tuple[FilterRule, ...]:
        found: dict[FilterRule, None] = {}
        for group_id in groups:
            row = self._queries.get(SecurityGroupRow, group_id)
            for rule in rules_of(row):
                found[filter_rule(rule, self._named(rule))] = None
        return tuple(found)

    def _named(self, rule: Rule) -> tuple[str, ...] | None:
        for key, ask in (("SECURITY_GROUP_ID", self._of_group), ("NETWORK_ID", self._of_network)):
            if key in rule:
                if (key, rule[key]) not in self._peers:
                    self._peers[key, rule[key]] = ask(int(rule[key]))
                return self._peers[key, rule[key]]
        return tuple(rule["IP"].split(",")) if "IP" in rule else None

    def _of_group(self, group_id: int) -> tuple[str, ...]:
        """The addresses of all cards that have it, and of their aliases."""
        cards = leases_with(self._queries, group_id)
        return collapsed(map(_alone, self._texts([*cards, *aliases_of(self._queries, cards)])))

    def _texts(self, leases: Iterable[LeaseRow]) -> Iterator[str]:
        return (text for lease in leases for text in (lease.ip, lease.ip6, second_ip6(self._queries, lease)) if text)

    def _of_network(self, network_id: int) -> tuple[str, ...]:
        """All addresses of its ranges."""
        nets: list[str] = []
        for row in self._queries.select(AddressRangeRow, '"network_id"=?', (network_id,)):
            span = range_of(row)
            first, last = address_at(span, 0), address_at(span, span.size - 1)
            for low, high in ((first.ip, last.ip), (first.ip6, last.ip6), (first.ip6_ula, last.ip6_ula)):
                if low and high:
                    nets += _between(low, high)
        return collapsed(nets)


def _alone(text: str) -> str:
    return str(ipaddress.ip_network(text))


def _between(low: str, high: str) -> list[str]:
    """Where addresses are made of MACs, they are not in a row: the whole network then."""
    first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    if isinstance(first, ipaddress.IPv4Address) and isinstance(last, ipaddress.IPv4Address):
        return [str(net) for net in ipaddress.summarize_address_range(first, last)]
    if isinstance(first, ipaddress.IPv6Address) and isinstance(last, ipaddress.IPv6Address):
        return [str(net) for net in ipaddress.summarize_address_range(min(first, last), max(first, last))]
    return []
